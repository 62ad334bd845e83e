from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

from cnn_mellin.search.hyperparameter_search import open_study, plan_search, run_search
from cnn_mellin.search.study import load_study, read_trials
from cnn_mellin.training.history import read_history

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
]
TESTS = Path(__file__).parents[1]
SETTINGS = Settings().updated(
    {
        "model": {"recurrent_size": 8, "recurrent_layers": 2, "convolutional_layers": 1, "use_log_compression": False},
        "training": {"num_epochs": 3, "log10_learning_rate": -2, "optimizer": "sgd", "max_gradient_norm": 1},
        "data": {"batch_size": 4},
    }
)

# `launcher.py`, with a process 1 whose memory runs out in the second update of its life.
_WITH_LITTLE_MEMORY = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import launcher
from cnn_mellin.models import AcousticModel

real, calls = AcousticModel.forward, 0

def forward(model, *arguments):
    global calls
    calls += model.training
    if os.environ["RANK"] == "1" and model.training and calls == 2:
        raise MemoryError("can't allocate memory")
    return real(model, *arguments)

AcousticModel.forward = forward
print(json.dumps([launcher.run(2, sys.argv[2:])]))
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a partition `train`."""
    write_symbols(tmp_path / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    with write_partition(tmp_path / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for i in range(20):
            reference = stream.integers(0, 2, 4)
            frames = np.repeat(4.0 * reference[:, None] + np.arange(4), 6, axis=0)
            writer.add(f"u{i:02d}", frames + stream.uniform(0, 1, frames.shape), reference)
    return tmp_path


def plan(folder: Path, name: str) -> str:
    """Create a study of four trials; the URL of its database."""
    url = f"sqlite:///{folder / name}.db"
    patterns = ["training.dropout_prob", "training.max_shift_proportion"]
    plan_search(url, folder / "train", SETTINGS, num_trials=4, pruner="none", whitelist=patterns)
    return url


def trials(url: str) -> list[Any]:
    with open_study(url) as (database, name):
        study, _, _ = load_study(database, name)
        return sorted(read_trials(database, study), key=lambda trial: trial.number)


def command(folder: Path, url: str, name: str) -> list[str]:
    return ["optim", url, "run", "--sampler", "random", "--model-dir", str(folder / name)]


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    parts = [sys.executable, str(TESTS / "launcher.py"), "2", *arguments]
    return subprocess.Popen(parts, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[list[int], str, str]:
    out, problems = process.communicate(timeout=200)
    assert process.returncode == 0, problems
    (statuses,) = json.loads(out.splitlines()[-1])
    return statuses, out, problems


def test_four_trials_of_two_processes_each_find_what_one_process_finds(folder):
    alone, together = plan(folder, "alone"), plan(folder, "together")
    run_search(alone, sampler="random", model_dir=folder / "a")
    statuses, out, problems = finish(start(command(folder, together, "t")))
    assert (statuses, problems) == ([0, 0], "")
    assert "optim: this worker completed 4 trials, pruned 0, failed in 0" in out
    assert out.count("trial 3: epoch 3/3") == 1  # the second process is silent
    expected, found = trials(alone), trials(together)
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 4
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.number, ours.params, ours.value) == (theirs.number, theirs.params, theirs.value)
        histories = [read_history(folder / f"{n}/optim/trial_{ours.number:04d}/history.csv") for n in "at"]
        losses = [[record.train_loss for record in records] for records in histories]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        assert len(losses[0]) == 3


def test_a_trial_whose_memory_runs_out_in_one_process_ends_in_all_and_the_next_begins(folder):
    url = plan(folder, "study")
    arguments = [sys.executable, "-c", _WITH_LITTLE_MEMORY, str(TESTS), *command(folder, url, "m")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=200)
    assert json.loads(done.stdout.splitlines()[-1]) == [[0, 0]], done.stderr
    assert "trial 0: pruned: " in done.stdout
    assert "epoch 1: out of memory (can't allocate memory); lower [data] batch_size" in done.stdout
    assert [trial.state.name for trial in trials(url)] == ["PRUNED", "COMPLETE", "COMPLETE", "COMPLETE"]


@pytest.mark.soak
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_worker_and_the_same_command_finishes_the_study(folder, victim):
    url = plan(folder, "study")
    process = start(command(folder, url, "m"))
    assert process.stdout is not None
    ids: list[int] = []
    for line in process.stdout:
        if line.startswith("processes"):
            ids = [int(number) for number in line.split()[1:]]
        if line.startswith("trial 1: epoch 1/3"):
            break
    os.kill(ids[victim], signal.SIGKILL)
    statuses, _, problems = finish(process)
    assert statuses[victim] == -signal.SIGKILL
    assert statuses[1 - victim] > 0
    assert problems.count("another process of this training has ended; run the same command again to resume") == 1
    assert problems.count("cnn-mellin: ") == 1
    if victim == 0:  # nobody has handed its trial back: the database notices when its heartbeat is missing
        return
    statuses, _, problems = finish(start(command(folder, url, "m")))
    assert (statuses, problems) == ([0, 0], "")
    assert [trial.state.name for trial in trials(url)] == ["COMPLETE"] * 4


@pytest.mark.soak
def test_a_signal_to_one_process_hands_the_trial_back(folder):
    url = plan(folder, "study")
    process = start(command(folder, url, "m"))
    assert process.stdout is not None
    ids: list[int] = []
    for line in process.stdout:
        if line.startswith("processes"):
            ids = [int(number) for number in line.split()[1:]]
        if line.startswith("trial 1: epoch 1/3"):
            break
    os.kill(ids[1], signal.SIGTERM)
    statuses, out, _ = finish(process)
    assert statuses[1] == 75
    assert "trial 1: handed back" in out
    statuses, _, problems = finish(start(command(folder, url, "m")))
    assert (statuses, problems) == ([0, 0], "")
    assert [trial.state.name for trial in trials(url)] == ["COMPLETE"] * 4
