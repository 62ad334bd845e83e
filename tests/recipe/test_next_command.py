"""The command that a recipe suggests at its end runs as it is printed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.recipe import _as_typed
from cnn_mellin.recipe.corpus_recipe import recipe_options
from cnn_mellin.recipe.next_command import transcribe_command
from cnn_mellin.recipe.options import write_options

MODEL = "models/mcorr-fbank-81-10ms/seed1"


def recipe_of(corpus: Path, folder: Path) -> None:
    """The folder of a recipe as far as the command looks at it."""
    (folder / MODEL).mkdir(parents=True)
    write_options(folder, recipe_options(corpus, tiny=True))
    (folder / MODEL / "model.json").write_text("{}")


def sound(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 8000), 16000)
    return path


def timit(folder: Path) -> Path:
    for name in ("TRAIN/DR1/FAAA0/SX1.WAV", "TEST/DR1/FBBB0/SX2.WAV"):
        sound(folder / name).with_suffix(".PHN").write_text("0 4000 h#\n4000 8000 iy\n")
    return folder


def table(folder: Path) -> Path:
    rows = ["utterance\tspeaker\tpartition\taudio\ttranscript\n"]
    for part in ("train", "dev", "test"):
        sound(folder / f"{part}.wav")
        rows.append(f"{part}\t{part}\t{part}\t{part}.wav\ta b\n")
    (folder / "corpus.tsv").write_text("".join(rows))
    return folder / "corpus.tsv"


def kaldi(folder: Path) -> Path:
    for part in ("train", "dev", "test"):
        path = sound(folder / "audio" / f"{part}.wav")
        (folder / part).mkdir()
        (folder / part / "wav.scp").write_text(f"{part} {path}\n")
        (folder / part / "text").write_text(f"{part} a b\n")
        (folder / part / "utt2spk").write_text(f"{part} {part}\n")
    return folder


@pytest.mark.parametrize(
    ("make", "name"), [(timit, "TEST/DR1/FBBB0/SX2.WAV"), (table, "test.wav"), (kaldi, "audio/test.wav")]
)
def test_it_names_a_recording_of_the_test_partition(make, name, tmp_path, monkeypatch):
    corpus = make(tmp_path / "my corpus")
    recipe_of(corpus, tmp_path / "exp")
    monkeypatch.chdir(tmp_path)
    assert transcribe_command("exp") == f"cnn-mellin transcribe exp/{MODEL} 'my corpus/{name}'"
    monkeypatch.chdir(tmp_path / "exp")
    command = transcribe_command(tmp_path / "exp")
    assert command == f"cnn-mellin transcribe {MODEL} {shlex.quote(f'{tmp_path}/my corpus/{name}')}"


def test_there_is_none_without_a_model_or_a_recording(tmp_path):
    recipe_of(timit(tmp_path / "corpus"), tmp_path / "exp")
    (tmp_path / "exp" / MODEL / "model.json").unlink()
    assert transcribe_command(tmp_path / "exp") is None
    recipe_of(table(tmp_path / "other"), tmp_path / "exp2")
    (tmp_path / "other" / "test.wav").unlink()
    assert transcribe_command(tmp_path / "exp2") is None


def test_a_program_that_the_shell_does_not_find_is_named_by_its_path(tmp_path, monkeypatch):
    program = tmp_path / "my venv" / "bin" / "cnn-mellin"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert _as_typed("cnn-mellin transcribe a b") == "'my venv/bin/cnn-mellin' transcribe a b"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert shlex.split(_as_typed("cnn-mellin transcribe a b")) == [str(program), "transcribe", "a", "b"]
    monkeypatch.setenv("PATH", str(program.parent))
    assert _as_typed("cnn-mellin transcribe a b") == "cnn-mellin transcribe a b"


@pytest.mark.soak
def test_the_demonstration_ends_with_a_command_that_runs(tmp_path):
    pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")
    program = [sys.executable, "-m", "cnn_mellin"]
    small = ["demo", "--utterances", "40", "--epochs", "1", "--seeds", "1", "--jobs", "1"]
    done = subprocess.run([*program, *small], cwd=tmp_path, capture_output=True, text=True, check=True)
    *_, introduction, command = done.stdout.splitlines()
    assert introduction == "to try next, with this recording or one of your own:"
    words = shlex.split(command)
    assert (Path(words[0]).name, words[1]) == ("cnn-mellin", "transcribe")
    assert shutil.which(words[0], path=f"{tmp_path}{os.pathsep}{os.environ['PATH']}") is not None
    assert (tmp_path / words[-1]).is_file()
    done = subprocess.run([*program, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert words[-1] in done.stdout
