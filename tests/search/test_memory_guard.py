import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnn_mellin.config import Settings
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.search.early_end import Pruned
from cnn_mellin.search.memory_guard import MemoryNeed, can_measure_memory, measure_memory_need
from cnn_mellin.search.new_study import plan_study
from cnn_mellin.search.trial_training import TrialTraining

linux = pytest.mark.skipif(
    not can_measure_memory(torch.device("cpu")), reason="/proc/self/clear_refs (Linux) is missing"
)
SECTIONS: dict[str, dict[str, Any]] = {
    "model": {"recurrent_size": 64, "recurrent_layers": 1, "convolutional_layers": 2, "window_stride": 1},
    "training": {"num_epochs": 1, "max_shift_proportion": 0.1},
    "data": {"batch_size": 8},
}

SMALL = {**SECTIONS, "model": {**SECTIONS["model"], "convolutional_initial_channels": 16}}

# One epoch of two batches of equally long utterances, in a separate process; at the second batch, gradients and the
# optimizer's state exist.
_TRUE_PEAK = """
import json, sys
import torch
from cnn_mellin.config import Settings
from cnn_mellin.training import train
torch.set_num_threads(1)
folder, settings = sys.argv[1], Settings().updated(json.loads(sys.argv[2]))
small = settings.updated({"model": {"convolutional_initial_channels": 1, "recurrent_size": 1}})
train(f"{folder}/short", None, f"{folder}/m0", small)
def status(name):  # VmHWM is of this process only; getrusage starts from its parent's peak
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))
before = status("VmRSS")
train(f"{folder}/train", None, f"{folder}/m1", settings)
print(status("VmHWM") - before)
"""

# The need that a worker finds for its first trial, whose heap is not scattered by whatever ran before it.
_NEED = """
import json, sys
import torch
from cnn_mellin.config import Settings
from cnn_mellin.data.partition import read_partition
from cnn_mellin.search.memory_guard import measure_memory_need
torch.set_num_threads(1)
settings = Settings().updated(json.loads(sys.argv[2]))
print(measure_memory_need(settings, read_partition(f"{sys.argv[1]}/train"), 2).num_bytes)
"""


@pytest.fixture
def device(device: str) -> str:
    """Each device whose memory can be measured."""
    if not can_measure_memory(torch.device(device)):
        pytest.skip("/proc/self/clear_refs (Linux) is missing")
    return device


def write(path: Path, num_utterances: int, num_frames: int, num_coefficients: int = 40) -> Partition:
    write_symbols(path.parent / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    with write_partition(path, PartitionDescription(num_coefficients, 10.0, "toy")) as writer:
        for i in range(num_utterances):
            writer.add(f"u{i:02d}", stream.uniform(0, 5, (num_frames, num_coefficients)), [0, 1] * 20)
    return read_partition(path)


@pytest.mark.soak
@pytest.mark.parametrize("mellin", [False, True])
@linux
def test_the_need_is_that_of_a_training_in_a_separate_process(tmp_path, mellin):
    model = {"convolutional_mellin": mellin, "recurrent_size": 700, "convolutional_initial_channels": 32}
    sections = {**SECTIONS, "model": {**SECTIONS["model"], **model}}
    sections["training"] = {"num_epochs": 1, "max_shift_proportion": 0.0}
    write(tmp_path / "train", 16, 250)
    write(tmp_path / "short", 2, 60)

    def printed(program: str) -> int:
        command = [sys.executable, "-c", program, str(tmp_path), json.dumps(sections)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[-1])

    need, true = printed(_NEED), printed(_TRUE_PEAK)
    assert true > 300 * 2**20  # large enough that memory of libraries does not matter
    assert 0.85 < need / true < 1.15, (need / 2**20, true / 2**20)


@pytest.mark.slow
def test_the_need_is_that_of_a_full_batch_of_the_longest_utterance_with_its_largest_shift(tmp_path, device):
    partition = write(tmp_path / "train", 12, 100)
    model = {"recurrent_size": 16, "recurrent_layers": 1, "convolutional_layers": 1, "window_stride": 1}
    if device == "pretend":  # whose memory is counted to the byte; elsewhere blocks are above 32 MiB, see below
        model["convolutional_initial_channels"] = 8
    settings = Settings().updated({**SECTIONS, "model": model})
    # Blocks above 32 MiB never come from memory that other tests have freed.
    small = measure_memory_need(settings, partition, 2, device)
    assert (small.num_utterances, small.num_frames, small.exactness) == (8, 120, "")
    large = measure_memory_need(settings.updated({"data": {"batch_size": 12}}), partition, 2, device)
    assert 1.05 * small.num_bytes < large.num_bytes < 1.7 * small.num_bytes


@pytest.mark.slow
@linux
def test_only_utterances_to_train_on_are_considered(tmp_path, monkeypatch):
    write_symbols(tmp_path / "ext", ["aa", "sil"])
    with write_partition(tmp_path / "train", PartitionDescription(40, 10.0, "toy")) as writer:
        for name, num_frames, num_symbols in (("a", 50, 7), ("b", 400, 9), ("c", 40, 300), ("d", 60, 5)):
            writer.add(name, np.ones((num_frames, 40)), [0] * num_symbols)
    subset = select_utterances(read_partition(tmp_path / "train"), ["a", "d"])
    batches: list[tuple[int, int]] = []

    def step(_self, batch):
        batches.append((batch.features.size(1), int(batch.reference_lengths.max())))

    monkeypatch.setattr("cnn_mellin.training.epoch.Stepper.__call__", step)
    need = measure_memory_need(Settings().updated(SMALL), subset, 2)
    assert (need.num_utterances, need.num_frames) == (2, 60 + 2 * 6)
    assert batches[-1] == (72, 7)


@pytest.mark.soak
def test_far_over_the_limit_the_full_batch_is_not_run(tmp_path, device):
    partition = write(tmp_path / "train", 8, 400)
    settings = Settings().updated(SMALL)
    exact = measure_memory_need(settings, partition, 2, device).num_bytes
    assert measure_memory_need(settings, partition, 2, device, limit_bytes=2 * exact).exactness == ""
    need = measure_memory_need(settings, partition, 2, device, limit_bytes=int(exact / 2.5))
    assert need.exactness in ("about ", "more than ")
    assert need.num_bytes > exact / 2.5
    need = measure_memory_need(settings, partition, 2, device, limit_bytes=1 << 20)
    assert need.exactness == "more than "
    assert need.num_bytes > 1 << 20


@pytest.mark.slow
def test_gradients_and_optimizer_state_count(tmp_path, device):
    partition = write(tmp_path / "train", 2, 20)
    size = 128 if device == "pretend" else 1024  # the pretend device's memory is counted to the byte
    model = {"recurrent_size": size, "recurrent_layers": 2, "convolutional_layers": 0}
    needs = {}
    for optimizer in ("sgd", "adam"):
        settings = Settings().updated({"model": model, "training": {"optimizer": optimizer}})
        needs[optimizer] = measure_memory_need(settings, partition, 2, device).num_bytes
    lstm = torch.nn.LSTM(40, size, 2, bidirectional=True)
    weights = 4 * sum(weight.numel() for weight in lstm.parameters())
    assert needs["sgd"] > 2 * weights
    assert needs["adam"] - needs["sgd"] == pytest.approx(2 * weights, rel=0.3)


@pytest.mark.slow
def test_random_number_generators_do_not_change(tmp_path, device):
    partition = write(tmp_path / "train", 2, 20)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    measure_memory_need(Settings().updated(SMALL), partition, 2, device)
    assert torch.equal(torch.rand(3), expected)


@linux
def test_more_memory_than_any_machine_has_is_over_the_limit_and_the_process_survives(tmp_path):
    partition = write(tmp_path / "train", 8, 400)
    huge = Settings().updated({**SECTIONS, "model": {**SECTIONS["model"], "convolutional_initial_channels": 60000}})
    need = measure_memory_need(huge, partition, 2, limit_bytes=2**30)
    assert need.exactness == "more than "
    assert need.num_bytes > 2**30


@pytest.mark.slow
@linux
def test_a_trial_over_the_limit_is_pruned_before_training_and_the_reason_has_its_need(tmp_path):
    write(tmp_path / "train", 12, 300)
    settings = Settings().updated(SECTIONS)
    plan, data = plan_study(
        settings, tmp_path / "train", whitelist=["model.window_size"], mem_limit_bytes=50 * 2**20, dev_proportion=0.2
    )

    class Trial:
        number, settings = 0, plan.start()

    objective = TrialTraining("s", plan, data, model_dir=tmp_path / "m")
    trial: Any = Trial()
    with pytest.raises(Pruned, match=r"it needs .*iB for a batch of 8 utterances of 360 frames; the limit is 50 MiB"):
        objective(trial)
    assert not (tmp_path / "m").exists()


def test_a_device_without_a_measure_of_memory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="device is meta; memory can be measured on CUDA, and on a CPU under Linux"):
        measure_memory_need(Settings(), write(tmp_path / "train", 2, 20), 2, "meta")


def test_a_need_is_shown_with_its_batch():
    assert str(MemoryNeed(300 * 2**20, 8, 50, "about ")) == "about 300 MiB for a batch of 8 utterances of 50 frames"
