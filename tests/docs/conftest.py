from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.config import read_settings
from cnn_mellin.training import train

_SERVER = Path(__file__).with_name("command_server.py")


@dataclass(frozen=True)
class TinyModel:
    """Forty utterances of the demonstration's corpus, their data directory, and a model of one epoch."""

    corpus: Path
    data: Path
    model: Path


@pytest.fixture(scope="session")
def tiny_model(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    folder = tmp_path_factory.mktemp("tiny")
    assert main(["--quiet", "prep", "timit", str(small_corpus), str(folder / "data"), "--partial"]) == 0
    data = folder / "data" / "fbank-81-10ms"
    settings = read_settings("demo-mcorr").updated({"model": {"seed": 1}, "training": {"num_epochs": 1, "seed": 1}})
    train(data / "train", data / "dev", folder / "model", settings)
    return TinyModel(small_corpus, data, folder / "model")


@pytest.fixture(scope="session")
def cnn_mellin_command() -> Iterator[Path]:
    """Folder of a `cnn-mellin` that starts in milliseconds, see `command_server.py`."""
    with tempfile.TemporaryDirectory(prefix="cnn-mellin-") as folder:  # a socket's path must be short
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(_SERVER), folder]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield Path(folder)
            server.terminate()


@pytest.fixture
def shell(cnn_mellin_command: Path) -> Callable[[str, Path], str]:
    """`shell(text, folder)` runs lines of Bash in a folder and returns what they print, errors included."""
    path = os.pathsep.join([str(cnn_mellin_command), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}

    def run(text: str, folder: Path) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    return run
