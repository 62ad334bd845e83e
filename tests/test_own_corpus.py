"""What docs/own-corpus.md shows does what it says."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main, parser
from cnn_mellin.features import FeatureExtractor

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own-corpus.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    """Arguments of each command of the page."""
    variables: dict[str, str] = {}
    found = []
    for line in "".join(blocks("sh")).splitlines():
        name, _, value = line.partition("=")
        if name.isidentifier():
            variables[name] = value
            continue
        program, *arguments = shlex.split(re.sub(r"\$(\w+)", lambda match: variables[match[1]], line))
        assert program == "cnn-mellin"
        found.append(arguments)
    return found


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_is_understood(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    parser().parse_args(arguments)


def test_the_table_is_prepared_inspected_and_pictured(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib (the extra report) is not installed")
    monkeypatch.chdir(tmp_path)
    Path("corpus.tsv").write_text(next(block for block in blocks("") if "\t" in block), encoding="utf-8")
    Path("wav").mkdir()
    for name in ("mary-1.wav", "john-1.flac"):
        soundfile.write(Path("wav") / name, np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    shown = [arguments for arguments in commands() if arguments[0] == "data" or arguments[:2] == ["prep", "table"]]
    assert len(shown) == 4
    for arguments in shown:
        assert main(["--quiet", *arguments]) == 0
    printed = capsys.readouterr()
    assert "data/mine/fbank-81-10ms/train: clean" in printed.out
    assert printed.err == "cnn-mellin: corpus.tsv: no training utterance has 3 of 7 symbols: a, b, n\n"
    assert Path("john-1.png").exists()


def test_the_configuration_is_one():
    (content,) = blocks("json")
    extractor = FeatureExtractor.from_config(json.loads(content))
    assert (extractor.sample_rate_hz, extractor.num_coefficients, extractor.frame_shift_ms) == (8000, 41, 10)
