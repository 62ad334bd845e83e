"""The help of every command: it needs no torch, and ends with examples that can be run."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.main import main, parser
from cnn_mellin.corpora.table import read_table
from cnn_mellin.data.partition import read_partition
from cnn_mellin.formats.text_grid import Interval, IntervalTier, write_text_grid


def commands(root: CommandParser) -> Iterator[CommandParser]:
    """All commands and their subcommands."""
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from commands(command)


COMMANDS = {command.prog.removeprefix("cnn-mellin "): command for command in commands(parser())}
EXAMPLES = [(name, example) for name, command in COMMANDS.items() for example in command.examples]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_of_the_command(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([*name.replace(" URL", "").split(), "--help"])
    printed = capsys.readouterr().out
    examples = printed[printed.index("\nexamples:\n") :].splitlines()[2:]
    assert 1 <= len(examples) <= 4
    words = name.replace(" URL", "").split()
    for example in examples:
        rest = example.split()
        assert rest[0] == "cnn-mellin"
        assert [word for word in rest if word in words][: len(words)] == words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_argument_has_a_help_text(name):
    for action in COMMANDS[name]._actions:
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{name}: {action.dest}"
            assert not action.help.startswith("("), f"{name}: {action.dest}"


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_examples_are_command_lines_of_the_command(name, example):
    words = shlex.split(example.partition(" > ")[0], comments=True)
    chosen = parser().parse_args(words[1:])
    assert chosen.command == name.split()[0]
    for dest in ("corpus_kind", "action", "lm_command"):
        if dest in chosen:
            assert getattr(chosen, dest) in example.split()


def test_help_of_all_commands_imports_nothing_slow():
    program = """
import contextlib, io, json, sys
from cnn_mellin.cli.main import main
for name in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([*name.split(), "--help"])
slow = {"matplotlib", "numpy", "optuna", "pydantic", "snakemake", "soundfile", "torch", "tqdm"} & set(sys.modules)
assert not slow, slow
"""
    names = json.dumps([name.replace(" URL", "") for name in COMMANDS])
    done = subprocess.run([sys.executable, "-c", program, names], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


SETTINGS = """\
[model]
convolutional_layers = 1
convolutional_initial_channels = 2
recurrent_layers = 1
recurrent_size = 4
[training]
num_epochs = 1
"""
SHORTER = {
    "demo-mcorr": "tiny.ini",
    "--num-trials 20": "--num-trials 5 --whitelist training.dropout_prob training.noise_eps",
}
# In this order each finds what the ones before it have made. Left out: `demo`, `recipe`, `step` and `report`, which
# have tests of whole runs, and `prep` of corpora that are known by name: tests/cli/test_known_corpora.py runs these.
ORDER = """\
corpus demo, prep timit, prep kaldi, prep table, data info, data verify, data plot, data export, data import,
prep textgrid, prep lhotse, prep huggingface, conf,
train, logits, decode, model card, model pack, score, compare, transcribe, export, lm train, lm perplexity, speed,
optim URL init, optim URL run, optim URL status, optim URL best, optim URL important, optim URL plot, optim URL export
"""


@pytest.mark.slow
def test_the_first_example_of_every_command_runs(tmp_path, monkeypatch):
    for package in ("matplotlib", "onnxruntime", "optuna", "pyarrow", "safetensors"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    names = [name.strip() for name in ORDER.split(",")]
    groups = {"corpus", "prep", "data", "lm", "model", "optim URL", "optim"}
    known = {f"prep {name}" for name in ("speechocean762", "fsdd", "voxangeles", "tusom2021")}
    assert set(names) | groups | known | {"demo", "recipe", "report", "step"} == set(COMMANDS) | groups
    monkeypatch.chdir(tmp_path)
    Path("tiny.ini").write_text(SETTINGS)
    for name in names:
        example = COMMANDS[name].examples[0]
        for long, short in SHORTER.items():
            example = example.replace(long, short)
        if name == "prep kaldi":
            write_kaldi(Path("corpus"), Path("egs/mini/data"))
        elif name == "prep table":
            write_table(Path("corpus"), Path("recordings"))
        elif name == "prep textgrid":
            write_exports(Path("recordings/list.tsv"))
        elif name == "data plot":
            example = example.replace("UTTERANCE", read_partition("data/fbank-81-10ms/test").utterance_ids[0])
        elif name == "compare":
            for path in (f"systems/{system}/1/{part}.trn" for system in ("lcorr", "mcorr") for part in ("dev", "test")):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(f"data/fbank-81-10ms/ext/{Path(path).stem}.ref.trn", path)
        elif name == "transcribe":
            shutil.copy(next(Path("corpus").rglob("*.WAV")), "recording.wav")
        assert main(["--quiet", *shlex.split(example, comments=True)[1:]]) == 0, example


def write_exports(table: Path) -> None:
    """Write the corpus that was prepared from a table as the examples of other formats have it."""
    for form, folder in {"lhotse": "manifests", "huggingface": "saved"}.items():
        assert main(f"--quiet data export own-data/fbank-81-10ms {folder} --to {form} --audio {table}".split()) == 0
    for part, utterances in read_table(table).items():
        (table.parent / part).mkdir()
        for utterance in utterances:
            place = table.parent / part / utterance.utterance_id
            shutil.copy(utterance.audio_path, place.with_suffix(".wav"))
            phones = (Interval(0.0, 0.1, "a"), Interval(0.1, 0.2, "sil"))
            write_text_grid(place.with_suffix(".TextGrid"), 1.0, [IntervalTier("phones", phones)])


def recordings(corpus: Path) -> list[Path]:
    """Some recordings of the demo corpus, with their paths absolute."""
    return sorted(corpus.absolute().rglob("*.WAV"))[:6]


def write_kaldi(corpus: Path, folder: Path) -> None:
    """Write Kaldi data folders train, dev and test of some recordings."""
    for number, part in enumerate(("train", "dev", "test")):
        (folder / part).mkdir(parents=True)
        for name, line in {"wav.scp": "{id} {path}", "text": "{id} a b", "utt2spk": "{id} {id}"}.items():
            paths = recordings(corpus)[2 * number : 2 * number + 2]
            lines = [line.format(id=f"u{number}{i}", path=path) for i, path in enumerate(paths)]
            (folder / part / name).write_text("\n".join([*lines, ""]))


def write_table(corpus: Path, folder: Path) -> None:
    """Write a table of some recordings."""
    folder.mkdir()
    rows = [f"{path}\ta b\t{part}" for path, part in zip(recordings(corpus), 2 * ["train", "dev", "test"], strict=True)]
    ids = [f"{row}\tu{number}" for number, row in enumerate(rows)]
    (folder / "list.tsv").write_text("\n".join(["audio\ttranscript\tpartition\tutterance", *ids, ""]))
