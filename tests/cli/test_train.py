import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings, format_settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.recipe.time_left import progress, result
from cnn_mellin.training import load_model
from cnn_mellin.training.history import read_history

EPOCHS = 3


@pytest.fixture
def data(tmp_path):
    """A folder with partitions train and dev, and settings s.ini."""
    write_symbols(tmp_path / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    for part, count in (("train", 40), ("dev", 2)):
        with write_partition(tmp_path / part, PartitionDescription(4, 10.0, "toy")) as writer:
            for i in range(count):
                writer.add(f"u{i:02d}", stream.uniform(0, 5, (30, 4)), [0, 1])
    changes = {"recurrent_size": 8, "recurrent_layers": 1, "convolutional_layers": 1, "window_stride": 3}
    settings = Settings().updated(
        {"model": changes, "training": {"num_epochs": EPOCHS, "dropout_prob": 0.2}, "data": {"batch_size": 1}}
    )
    (tmp_path / "s.ini").write_text(format_settings(settings))
    return tmp_path


def arguments(data, model_dir) -> list[str]:
    parts = [str(data / "train"), str(data / "dev"), str(model_dir), "--seed", "3", "--no-tensorboard"]
    return ["--read-ini", str(data / "s.ini"), "train", *parts]


def same_weights(first, second) -> bool:
    states = [load_model(folder, epoch=EPOCHS)[0].state_dict() for folder in (first, second)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.slow
def test_signals_save_and_exit_with_75_and_nothing_is_lost(data, capfd):
    assert main(arguments(data, data / "whole")) == 0
    command = [sys.executable, "-m", "cnn_mellin.cli.main", *arguments(data, data / "parts")]
    for number in (signal.SIGUSR1, signal.SIGTERM):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                os.kill(process.pid, number)
                break
        process.stdout.read()
        complaint = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        assert process.wait() == 75
        assert complaint.startswith(f"cnn-mellin: {number.name}: {data / 'parts'}: told to stop; ")
        assert complaint.count("\n") == 1
    capfd.readouterr()
    assert main(arguments(data, data / "parts")) == 0
    assert "resumes " in capfd.readouterr().out
    assert same_weights(data / "whole", data / "parts")


@pytest.mark.soak
def test_a_kill_within_an_epoch_loses_only_what_came_after_the_last_save(data, capsys):
    assert main(arguments(data, data / "whole")) == 0
    command = [sys.executable, "-m", "cnn_mellin.cli.main", *arguments(data, data / "parts"), "--save-every", "0.0001"]
    listed = data / "parts" / "checkpoints.json"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        saved: dict[str, Any] = {}
        while not (saved.get("checkpoints") and saved.get("within_epoch")):  # within the second epoch or a later one
            assert process.poll() is None
            time.sleep(0.002)
            saved = json.loads(listed.read_text()) if listed.exists() else {}
        process.kill()
    saved = json.loads(listed.read_text())
    capsys.readouterr()
    assert main(arguments(data, data / "parts")) == 0
    resumed = re.search(r"resumes within epoch (\d), after batch (\d+)", capsys.readouterr().out)
    assert resumed is not None
    assert saved["within_epoch"]["epoch"] + 1 == int(resumed[1])
    assert list(saved["within_epoch"]["files"]) == [f"within_{int(resumed[1]):03d}_{int(resumed[2]):06d}.pt"]
    assert same_weights(data / "whole", data / "parts")
    histories = [read_history(data / name / "history.csv") for name in ("whole", "parts")]
    assert [[(r.train_loss, r.dev_per_percent) for r in records] for records in histories[:1]] == [
        [(r.train_loss, r.dev_per_percent) for r in records] for records in histories[1:]
    ]
    assert not list((data / "parts").glob("within_*"))


@pytest.mark.slow
def test_one_line_per_epoch_and_a_plot_of_the_curves(data, capsys):
    assert main(arguments(data, data / "m")) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("epoch")]
    assert [line.split(",")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    for part in ("loss ", "dev PER ", "rate ", "utterances/s", "s left"):
        assert part in lines[0]
    assert re.fullmatch(r"epoch 1/3, dev PER [\d.]+ %", progress(lines[0]))  # as a recipe shows the running training
    assert result(printed.splitlines()[-1]).startswith("dev PER ")
    assert (data / "m" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (data / "m" / "tensorboard").exists()


@pytest.mark.slow
def test_tensorboard_holds_every_epoch_once_over_two_runs(data, capsys):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    command = [part for part in arguments(data, data / "m") if part != "--no-tensorboard"]
    assert main(command) == 0
    assert "tensorboard --logdir" in capsys.readouterr().out
    events = accumulators.EventAccumulator(str(data / "m" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train_loss")] == [1, 2, 3]
    assert {"dev_per_percent", "learning_rate", "utterances_per_s"} <= set(events.Tags()["scalars"])


def test_a_read_only_folder_is_one_line(data, tmp_path, capsys):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no read-only file system can be mounted (that takes root on Linux)")
    try:
        status = main(["--quiet", *arguments(data, folder / "m")])
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    printed = capsys.readouterr().err
    assert (status, printed.count("\n")) == (2, 1)
    assert "Read-only file system" in printed


_WITH_LITTLE_MEMORY = """
import resource, sys, torch
from cnn_mellin.cli.main import main
import cnn_mellin.training.loop, cnn_mellin.report.figures.learning_curves
torch.ones(9) @ torch.ones(9, 9)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_too_little_memory_is_one_line_and_leaves_the_last_checkpoint(data):
    if not hasattr(resource, "RLIMIT_AS") or not os.path.exists("/proc/self/statm"):
        pytest.skip("the memory of a process can only be limited on Linux")
    with write_partition(data / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        writer.add("long", np.random.default_rng(1).uniform(0, 5, (300_000, 4)), [0, 1])
    command = [sys.executable, "-c", _WITH_LITTLE_MEMORY, str(400 << 20), "--num-threads", "1"]
    done = subprocess.run([*command, *arguments(data, data / "m")], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "epoch 1: out of memory" in done.stderr
    assert "lower [data] batch_size" in done.stderr
    assert not list((data / "m").glob("*.pt"))


def test_an_unusable_device_or_thread_count_is_one_line(data, capsys):
    for options, message in (
        (["--device", "abacus"], "--device abacus: cannot be used here"),
        (["--device", "gpu"], "--device gpu: unknown; did you mean cuda?"),
        (["--num-threads", "0"], "--num-threads 0: must be at least 1"),
    ):
        assert main([*options, *arguments(data, data / "m")]) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("\n") == 1
    assert not (data / "m").exists()


@pytest.mark.slow
def test_a_missing_compiler_is_one_line(data):
    command = [sys.executable, "-m", "cnn_mellin.cli.main", *arguments(data, data / "m"), "--compile"]
    environment = {**os.environ, "CXX": str(data / "none"), "TORCHINDUCTOR_CACHE_DIR": str(data / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cnn-mellin: torch cannot compile the model here (InvalidCxxCompiler" in done.stderr
