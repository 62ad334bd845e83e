from __future__ import annotations

import pytest

from cnn_mellin.cli import corpus
from cnn_mellin.cli.main import parser


@pytest.fixture
def command():
    def run(*words: str) -> int:
        return corpus.run(parser().parse_args(words))

    return run


def test_options_are_passed_on_and_the_result_is_printed(command, capsys, monkeypatch):
    calls = []

    def make(directory, num_utterances, seed, *, jobs, quiet):
        calls.append((directory, num_utterances, seed, jobs, quiet))
        return len(calls) == 1

    monkeypatch.setattr("cnn_mellin.cli.corpus.make_demo_corpus", make)
    assert command("--quiet", "corpus", "demo", "there", "--utterances", "40", "--seed", "7", "--jobs", "2") == 0
    assert command("corpus", "demo", "there") == 0
    assert calls == [("there", 40, 7, 2, True), ("there", 1000, 1, None, False)]
    assert capsys.readouterr().out == "there: 40 utterances, made\nthere: 1000 utterances, unchanged\n"


@pytest.mark.parametrize("words", [["corpus"], ["corpus", "demo"], ["corpus", "demo", "a", "--utterances", "many"]])
def test_wrong_command_lines(command, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        command(*words)
    assert capsys.readouterr().err.splitlines()[-1].startswith("cnn-mellin: corpus")


def test_it_makes_a_corpus(command, tmp_path, capsys):
    assert command("--quiet", "corpus", "demo", str(tmp_path / "demo"), "--utterances", "30", "--jobs", "1") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'demo'}: 30 utterances, made\n"
    assert captured.err == ""
    assert len(list((tmp_path / "demo").rglob("*.WAV"))) == 30
