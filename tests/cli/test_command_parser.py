import re
import shlex
import sys
from pathlib import Path

import pytest

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.main import main, parser
from cnn_mellin.config import read_settings


def refused(capsys, *words: str) -> str:
    """Last line that a wrong command line prints."""
    with pytest.raises(SystemExit, match="2"):
        main(words)
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("train a b m --device cuda", "--device cuda train a b m"),
        ("train a --device=cuda b m", "--device cuda train a b m"),
        ("decode a b c --quiet --num-threads 2", "--quiet --num-threads 2 decode a b c"),
        ("optim --device cuda u init d", "--device cuda optim u init d"),
        ("optim u init d --device cuda", "--device cuda optim u init d"),
        ("optim u --study-name s run", "optim --study-name s u run"),
        ("optim u run --study-name s", "optim --study-name s u run"),
        ("optim u init --blacklist a b --device cuda d", "--device cuda optim u init d --blacklist a b"),
        ("prep timit c d --quiet", "--quiet prep timit c d"),
        ("optim init sqlite:///a.db d", "optim sqlite:///a.db init d"),
        ("optim init d sqlite:///a.db", "optim sqlite:///a.db init d"),
        ("optim init --num-trials 4 d env:URL", "optim env:URL init d --num-trials 4"),
        ("optim run --sampler random sqlite:///a.db", "optim sqlite:///a.db run --sampler random"),
        ("optim status sqlite:///a.db", "optim sqlite:///a.db status"),
        ("decode a b c –device cuda", "--device cuda decode a b c"),
        ("decode a b c --num 2", "decode a b c --num-best 2"),
        ("decode a b c --beam 2 3", "decode a b c --beam-width 2 3"),
        ("decode a b c --lm-beta -1e-3", "decode a b c --lm-beta -0.001"),
        ("train a --seed 1 b m --compile", "train a b m --seed 1 --compile"),
        ("train --seed 1 -- a m", "train a m --seed 1"),
        (
            "optim --study-name s u --device cpu run --sampler tpe",
            "--device cpu optim u --study-name s run --sampler tpe",
        ),
        ("--device cpu train a m --device cuda", "--device cuda train a m"),
    ],
)
def test_equivalent_command_lines_parse_alike(words, same):
    assert vars(parser().parse_args(words.split())) == vars(parser().parse_args(same.split()))


def test_later_settings_files_override_earlier_ones_wherever_they_stand(tmp_path, capsys):
    for name, content in {
        "a": "window_size = 9\nwindow_stride = 4",
        "b": "window_size = 8\nseed = 3",
        "c": "seed = 4",
    }.items():
        (tmp_path / f"{name}.ini").write_text(f"[model]\n{content}\n")
    a, b, c = (["--read-ini", str(tmp_path / f"{name}.ini")] for name in "abc")
    for words in ([*a, "optim", *b, "u", "init", "d", *c], [*a, *b, *c], ["train", *a, *b, "a", "m", *c]):
        assert main([*words, "--print-ini"]) == 0
        (tmp_path / "printed.ini").write_text(capsys.readouterr().out)
        model = read_settings(tmp_path / "printed.ini").model
        assert (model.window_size, model.window_stride, model.seed) == (8, 4, 4)


@pytest.mark.parametrize("words", ["train --print-ini", "--print-ini train", "optim --print-ini", "--print-ini"])
def test_settings_are_printed_without_the_arguments_of_a_command(words, capsys):
    assert main(words.split()) == 0
    assert "[training]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("optim init --help", "optim URL init"),
        ("optim init -h", "optim URL init"),
        ("optim --help init", "optim URL init"),
        ("optim URL init --help", "optim URL init"),
        ("optim --study-name run sqlite:///a.db init --help", "optim URL init"),
        ("help optim init", "optim URL init"),
        ("help optim", "optim"),
        ("optim --help", "optim"),
        ("help train", "train"),
        ("train a b --help", "train"),
        ("--device cuda prep timit --help", "prep timit"),
        ("help", ""),
        ("--help", ""),
    ],
)
def test_help_explains_the_last_command_named(words, command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(words.split())
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(f"usage: cnn-mellin {command} [-h]".replace("  ", " "))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("trian a b", "cnn-mellin: trian: is not a command of cnn-mellin; did you mean train?"),
        ("Train a b", "cnn-mellin: Train: is not a command of cnn-mellin; did you mean train?"),
        ("help trian", "cnn-mellin: trian: is not a command of cnn-mellin; did you mean train?"),
        ("trian --help", "cnn-mellin: trian: is not a command of cnn-mellin; did you mean train?"),
        ("xyzzy", "cnn-mellin: xyzzy: is not a command of cnn-mellin; choose from compare, conf, corpus,"),
        (
            "verify a",
            "cnn-mellin: verify: is not a command of cnn-mellin; did you mean cnn-mellin data verify FOLDER ...?",
        ),
        ("prep timti a b", "cnn-mellin: prep: timti: is not a kind of cnn-mellin prep; did you mean timit?"),
        (
            "prep a timit b",
            "cnn-mellin: prep: a: is not a kind of cnn-mellin prep; timit comes first: cnn-mellin prep timit",
        ),
        ("optim u inti d", "cnn-mellin: optim: inti: is not an action of cnn-mellin optim; did you mean init?"),
        ("train a m --devise cuda", "cnn-mellin: train: --devise: unknown option; did you mean --device?"),
        ("decode a b c --beam_width 4", "cnn-mellin: decode: --beam_width: unknown option; did you mean --beam-width?"),
        ("decode a b c -device cpu", "cnn-mellin: decode: -device: unknown option; did you mean --device?"),
        (
            "--beam-width 4 decode a b c",
            "cnn-mellin: --beam-width: is an option of cnn-mellin decode; write it after that",
        ),
        (
            "train a m --beam-width 4",
            "cnn-mellin: train: --beam-width: unknown option; it is one of cnn-mellin decode and",
        ),
        ("score a -b.trn", "cnn-mellin: score: -b.trn: unknown option; write a file of that name as ./-b.trn"),
        ("train a m --read", "cnn-mellin: train: --read: could be --read-ini or --read-json or --read-yaml; write it"),
        ("score a b --worst x", "cnn-mellin: score: --worst x: must be a whole number (cnn-mellin score --help)"),
        ("decode a b c --lm-beta x", "cnn-mellin: decode: --lm-weight x: must be a number (cnn-mellin decode --help)"),
        (
            "score a b --format txt",
            "cnn-mellin: score: --format txt: must be text, csv, json, latex or markdown; did you",
        ),
        (
            "decode a b",
            "cnn-mellin: decode: missing arguments: OUT; expected cnn-mellin decode MODEL ... PARTITION OUT",
        ),
        (
            "logits a b c d",
            "cnn-mellin: logits: unexpected argument 'd'; expected cnn-mellin logits MODEL_DIR PARTITION OUT",
        ),
        ("optim status", "cnn-mellin: optim URL status: missing arguments: URL; expected cnn-mellin optim URL status"),
        ("decode a b c --lm", "cnn-mellin: decode: --lm: expected one argument (cnn-mellin decode --help)"),
        (
            "optim u init d --whitelist a --blacklist b",
            "cnn-mellin: optim URL init: --blacklist: not allowed together with --whit",
        ),
        ("--quiet=yes train a m", "cnn-mellin: --quiet: takes no value, but was given 'yes' (cnn-mellin --help)"),
        (
            "prep timit --features raw a b",
            "cnn-mellin: prep timit: missing arguments: CORPUS, DATA (before --features, which",
        ),
        ("", "cnn-mellin: name a command (cnn-mellin --help)"),
    ],
)
def test_errors_say_what_to_write_instead(words, line, capsys):
    assert refused(capsys, *words.split()).startswith(line)


def test_words_after_two_dashes_are_arguments(capsys):
    assert parser().parse_args(["score", "--", "-a.trn", "--help"]).reference.name == "-a.trn"


def test_without_arguments_it_parses_sys_argv(monkeypatch):
    own = CommandParser(prog="draw")
    own.add_argument("--colour")
    monkeypatch.setattr(sys, "argv", ["draw", "--colour", "red"])
    assert own.parse_args().colour == "red"


def recipe_commands() -> list[list[str]]:
    """Arguments of every cnn-mellin command on the page of the recipe by hand, with its numbers set to 4."""
    page = Path(__file__).parents[2] / "docs" / "recipe-by-hand.md"
    text = re.sub(r"\$\(cat \S+\)", "training.x model.y", page.read_text(encoding="utf-8")).replace("\\\n", " ")
    text = re.sub(r"\$(gpu_mem_limit|num_trials)_\w+|\$\{top_k_\w+\}", "4", text)
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line.startswith(("cnn-mellin ", "$optim_command ")) and line.count(" ") > 3]
    return [shlex.split(re.split(r" [|>] ", line)[0])[1:] for line in found]


def test_every_command_of_the_recipe_parses_as_in_argparse():
    commands = recipe_commands()
    assert len(commands) == 13  # four studies, each created and run, and five results
    for words in commands:
        own, plain = parser(), parser()
        chosen = vars(own.parse_args(words))
        assert chosen == vars(plain.parse_known_args(words)[0]), words
        assert chosen["study_name"].startswith(("model-", "train-"))
        if chosen["action"] == "init":
            assert chosen["train_dir"] == "data/timit/${feature_type}/train"
            assert bool(chosen["blacklist"]) != bool(chosen["whitelist"])
