from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cnn_mellin.config import Settings, format_settings
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.training import load_model
from cnn_mellin.training.data_parallel import share_out
from cnn_mellin.training.model_folder import checkpoint_store, read_description

LAUNCHER = Path(__file__).parents[1] / "launcher.py"
EPOCHS = 4
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("number", [0, 1, 4, 7, 40])
def test_shares_hold_each_utterance_once_and_about_as_many_frames(number, size):
    lengths = np.random.default_rng(number).integers(1, 500, number).tolist()
    shares = share_out(lengths, size)
    assert sorted(position for share in shares for position in share) == list(range(number))
    assert all(share == sorted(share) for share in shares)
    assert max(map(len, shares)) <= -(-number // size)
    frames = [sum(lengths[position] for position in share) for share in shares]
    assert number < size or max(frames) - min(frames) <= max(lengths)


@pytest.fixture
def data(tmp_path, toy, write_toy) -> Path:
    """A folder with data/train and data/dev."""
    write_toy(toy / "train", 23, 1)  # of the batches of 5, the last is smaller than four processes
    write_toy(toy / "dev", 40, 2)  # two batches to evaluate
    return tmp_path


def write_settings(folder: Path, settings: Settings, **training: object) -> None:
    changes = {"num_epochs": EPOCHS, "dropout_prob": 0.2, **training}
    settings = settings.updated({"training": changes, "data": {"batch_size": 5}})
    (folder / "s.ini").write_text(format_settings(settings))


def command(folder: Path, model: str, *options: str) -> list[str]:
    data = folder / "data"
    parts = ["train", str(data / "train"), str(data / "dev"), str(folder / model), "--no-tensorboard", *options]
    return ["--read-ini", str(folder / "s.ini"), *parts]


def launch(sizes: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """Start `launcher.py`."""
    parts = [sys.executable, str(LAUNCHER), sizes, *arguments]
    return subprocess.Popen(parts, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[list[list[int]], str, str]:
    """Exit statuses of all processes; what they have printed to the two streams."""
    out, problems = process.communicate(timeout=200)
    assert process.returncode == 0, problems
    return json.loads(out.splitlines()[-1]), out, problems


def run(sizes: str, arguments: Sequence[str]) -> tuple[str, str]:
    """Run processes that must succeed; what they have printed."""
    statuses, out, problems = finish(launch(sizes, arguments))
    assert not any(status for each in statuses for status in each), problems
    return out, problems


def history(folder: Path) -> list[dict[str, str]]:
    with open(folder / "history.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint_store(folder, read_description(folder)).load_model(len(history(folder)))


def assert_same(first: Path, second: Path) -> None:
    """Check that two trainings have the same weights to the bit, and the same history apart from times."""
    found, expected = weights(first), weights(second)
    assert found.keys() == expected.keys()
    assert [name for name, value in found.items() if not torch.equal(value, expected[name])] == []
    names = ("epoch", "learning_rate", "train_loss", "dev_per_percent", "num_not_emittable", "num_not_finite")
    for ours, theirs in zip(history(first), history(second), strict=True):
        assert [ours[name] for name in names] == [theirs[name] for name in names]


def assert_close(first: Path, second: Path) -> None:
    """Check that two trainings are equal up to rounding."""
    for ours, theirs in zip(history(first), history(second), strict=True):
        assert float(ours["train_loss"]) == pytest.approx(float(theirs["train_loss"]), rel=1e-5)
        for name in ("epoch", "learning_rate", "dev_per_percent", "num_not_emittable", "num_not_finite"):
            assert ours[name] == theirs[name]
    expected = weights(second)
    for name, value in weights(first).items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)


# Each kind of dropout takes a way of its own through the model.
KINDS: dict[str, dict[str, dict[str, object]]] = {
    "whole channels, GRU": {"model": {}, "training": {}},
    "coefficients, LSTM": {
        "model": {
            "recurrent_type": "LSTM",
            "recurrent_bidirectional": False,
            "local_branch_channels": 2,
            "window_anchors": 2,
            "window_pooling": "attention",
        },
        "training": {
            "convolutional_dropout_2d": False,
            "optimizer": "sgd",
            "max_gradient_norm": 1,
            "weight_averaging_decay": 0.9,
        },
    },
    "coefficients, tanh, RNN, sos": {
        "model": {"recurrent_type": "RNN", "convolutional_nonlinearity": "tanh", "utterance_normalization": "mean"},
        "training": {
            "convolutional_dropout_2d": False,
            "optimizer": "rms",
            "max_tempo_factor": 1.5,
            "intermediate_ctc_weight": 0.3,
        },
        "data": {"sos": "sil", "bucket_by_length": True},
    },
}


@needs_fork
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("whole channels, GRU", marks=pytest.mark.soak),
        pytest.param("coefficients, LSTM", marks=pytest.mark.soak),
        pytest.param("coefficients, tanh, RNN, sos", marks=pytest.mark.slow),
    ],
)
def test_one_two_and_four_processes_train_the_same_model(data, settings, kind):
    write_settings(data, settings.updated(KINDS[kind]))
    out, problems = run("1,2,4", command(data, "m{}"))
    assert problems == ""
    assert_close(data / "m2", data / "m1")
    assert_close(data / "m4", data / "m1")
    assert len({record["train_loss"] for record in history(data / "m1")}) == EPOCHS
    # The others are silent: each epoch is printed once per training.
    assert [line.split(",")[0] for line in out.splitlines() if line.startswith("epoch")] == 3 * [
        f"epoch {epoch}/{EPOCHS}" for epoch in range(1, EPOCHS + 1)
    ]
    assert sorted(path.name for path in (data / "m4").iterdir()) == sorted(
        path.name for path in (data / "m1").iterdir()
    )


@needs_fork
@pytest.mark.slow
def test_a_share_that_is_not_finite_leaves_out_the_whole_batch_and_names_it(data, settings):
    path = data / "data" / "train"
    old = read_partition(path)
    features = np.array(old.features)
    features[: len(old.features_of(0))] = 3e38  # finite, but too large to compute with
    changed = replace(old, features=features)
    content = [(name, changed.features_of(i), old.reference_of(i)) for i, name in enumerate(old.utterance_ids)]
    with write_partition(path, old.description) as writer:
        for utterance in content:
            writer.add(*utterance)
    plain = settings.updated({"model": {"use_log_compression": False}, "data": {"scale_features": False}})
    write_settings(data, plain)
    _, problems = run("1,2", command(data, "m{}"))
    assert_close(data / "m2", data / "m1")
    assert {record["num_not_finite"] for record in history(data / "m2")} == {"1"}
    named = [sorted(line.partition("not finite: ")[2].split(", ")) for line in problems.splitlines()]
    assert len(named) == 2 * EPOCHS
    assert named[:EPOCHS] == named[EPOCHS:]
    assert all("utt00" in names and 3 <= len(names) <= 5 for names in named)


Popen = subprocess.Popen[str]


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def start_and_read(sizes: str, arguments: Sequence[str], until: str) -> tuple[Popen, list[int]]:
    """Start processes, and read what they print until a line that begins so; their ids."""
    process = launch(sizes, arguments)
    assert process.stdout is not None
    ids: list[int] = []
    for line in process.stdout:
        if line.startswith("processes"):
            ids = [int(number) for number in line.split()[1:]]
        if line.startswith(until):
            return process, ids
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, write_toy, settings) -> Path:
    """A folder with data, settings, and a model that two processes have trained without interruption."""
    folder: Path = tmp_path_factory.mktemp("uninterrupted")
    write_symbols(folder / "data" / "ext", ["aa", "b", "sil", "z"])
    write_toy(folder / "data" / "train", 23, 1)
    write_toy(folder / "data" / "dev", 40, 2)
    write_settings(folder, settings, num_epochs=10)  # that a test, however slow the machine, interrupts in time
    run("2", command(folder, "whole"))
    return folder


@needs_fork
@pytest.mark.soak
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_all_with_one_line_and_the_same_command_resumes(uninterrupted, victim):
    folder, parts = uninterrupted, uninterrupted / f"killed{victim}"
    often = ["--save-every", "0.0001"]  # after nearly every update
    process, ids = start_and_read("2", command(folder, parts.name, *often), "epoch 2/")
    os.kill(ids[victim], signal.SIGKILL)
    statuses, _, problems = finish(process)
    assert statuses[0][victim] == -signal.SIGKILL
    assert statuses[0][1 - victim] > 0
    line = f"cnn-mellin: {parts}: another process of this training has ended; run the same command again to resume\n"
    assert problems == line
    assert not any(map(is_running, ids))
    assert 2 <= len(history(parts)) < 10
    for size in (2, 3):
        shutil.copytree(parts, folder / f"resumed{victim}{size}")
    out, _ = run("2,3", command(folder, f"resumed{victim}{{}}"))
    assert out.count("resumes ") == 2
    assert_same(folder / f"resumed{victim}2", folder / "whole")
    assert_close(folder / f"resumed{victim}3", folder / "whole")
    assert not list((folder / f"resumed{victim}2").glob("within_*"))


@needs_fork
@pytest.mark.soak
@pytest.mark.parametrize(("number", "whom"), [(signal.SIGTERM, [1]), (signal.SIGINT, [0, 1])])
def test_a_signal_stops_all_after_the_same_update(uninterrupted, number, whom):
    folder, parts = uninterrupted, uninterrupted / number.name
    process, ids = start_and_read("2", command(folder, parts.name), "epoch 1/")
    for rank in whom:
        os.kill(ids[rank], number)
    statuses, _, problems = finish(process)
    assert statuses == [[75, 75]]
    reason = number.name if 0 in whom else "another process was told to stop"
    assert problems.startswith(f"cnn-mellin: {reason}: {parts}: told to stop; ")
    assert problems.count("\n") == 1
    run("2", command(folder, parts.name))
    assert_same(parts, folder / "whole")


@needs_fork
@pytest.mark.soak
def test_wrong_input_is_one_line_and_nothing_is_written(data, settings):
    write_settings(data, settings)
    for option, message in (
        ("--sed", "train: --sed: unknown option"),
        ("--device=gpu", "--device gpu: unknown; did you mean cuda?"),
    ):
        statuses, _, problems = finish(launch("2", command(data, "m", option)))
        assert all(statuses[0])
        assert message in problems
        assert problems.count("cnn-mellin: ") == 1
    assert not (data / "m").exists()
    statuses, _, problems = finish(launch("2", ["score", "a", "b"]))
    assert statuses == [[2, 2]]
    assert problems == "cnn-mellin: score: runs as one process, not 2; start it without torchrun\n"


def kill_one_of_torchrun(arguments: Sequence[str], *options: str) -> tuple[int, str, list[int]]:
    """Start two processes by torchrun, kill the second in the second epoch; status, problems printed, ids of both."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *options, "-m", "cnn_mellin"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*launch, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            process.kill()
            pytest.skip("the children of a process are known on Linux only")
        ids = [int(number) for number in children.read_text().split()]
        assert len(ids) == 2
        os.kill(ids[1], signal.SIGKILL)
        process.stdout.read()
        problems = process.stderr.read()
        return process.wait(60), problems, ids


def complaints(problems: str) -> list[str]:
    """Our own lines among those of torchrun."""
    return [line for line in problems.splitlines() if "cnn-mellin: " in line]


@pytest.mark.soak
def test_torchrun_ends_all_when_one_is_killed_and_leaves_no_process(data, settings):
    write_settings(data, settings, num_epochs=1000)
    status, problems, ids = kill_one_of_torchrun(command(data, "m"))
    assert status != 0
    line = f"cnn-mellin: {data / 'm'}: another process of this training has ended; run the same command again to resume"
    assert complaints(problems) == [line]
    assert not any(map(is_running, ids))
    load_model(data / "m")


@needs_fork
@pytest.mark.soak
def test_torchrun_can_restart_all_when_one_is_killed(uninterrupted):
    status, problems, ids = kill_one_of_torchrun(command(uninterrupted, "restarted"), "--max-restarts", "1")
    assert status == 0, problems
    assert len(complaints(problems)) == 1
    assert not any(map(is_running, ids))
    assert_same(uninterrupted / "restarted", uninterrupted / "whole")


@pytest.mark.soak
def test_processes_save_and_end_when_the_launcher_is_killed(data, settings):
    write_settings(data, settings, num_epochs=1000)
    process, ids = start_and_read("2", command(data, "m"), "epoch 1/")
    process.kill()
    process.communicate()
    ends = time.monotonic() + 60
    while any(map(is_running, ids)) and time.monotonic() < ends:
        time.sleep(0.1)
    assert not any(map(is_running, ids))
    load_model(data / "m")
