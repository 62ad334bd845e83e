"""The memory guard of searches against the true peak of a training, for models sampled from the search space.

    python benchmarks/memory_guard.py [--models 10] [--seed 1] [--frames 250] [--seconds 3] [--most-gib 4]

Settings are sampled at random from the whole space, in turn for filter banks of 81 and 41 coefficients and for raw
audio, and in turn for linear and Mellin models. The guard measures all of them in one process, as a worker does. The
true peak is that of a separate process, in which `cnn_mellin.training.train` trains on three batches of utterances as
long as the longest can become: its VmHWM minus its memory after a training of the smallest model. Models that need
more than `--most-gib` are left out and counted.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch

from cnn_mellin.config import Settings
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.search.memory_guard import MemoryNeed, measure_memory_need
from cnn_mellin.search.space import choose_dimensions, sample_values, settings_with
from cnn_mellin.training import train
from report import write_section

COEFFICIENTS = (81, 41, 1)
SYMBOLS = 48
PHONES_PER_SECOND = 13


def synthesise(path: Path, num_utterances: int, num_frames: int, num_coefficients: int, num_phones: int) -> Partition:
    """A partition of utterances of the same length."""
    write_symbols(path.parent / "ext", [f"p{i:02d}" for i in range(SYMBOLS)])
    stream = np.random.default_rng(1)
    description = PartitionDescription(num_coefficients, 10.0 if num_coefficients > 1 else 1 / 16, "toy")
    with write_partition(path, description) as writer:
        for i in range(num_utterances):
            features = stream.uniform(-1, 1, (num_frames, num_coefficients))
            writer.add(f"u{i:02d}", features, stream.integers(0, SYMBOLS, num_phones))
    return read_partition(path)


def sample_settings(seed: int, raw: bool, mellin: bool) -> Settings:
    """Settings sampled from the whole space."""
    start = Settings().updated({"model": {"convolutional_mellin": mellin}})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    dimensions = choose_dimensions(start, raw=raw)
    sampled = settings_with(start, sample_values(study.ask(), dimensions, start))
    return sampled.updated({"model": {"seed": 1}, "training": {"seed": 1}})


def true_peak(settings: Settings, need: MemoryNeed, num_coefficients: int, num_phones: int) -> int:
    """Peak bytes of a training on three batches of the longest utterance, in a separate process."""
    sections = settings.as_dict()
    sections["training"] |= {"num_epochs": 1, "max_shift_proportion": 0.0, "early_stopping_threshold": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        synthesise(Path(folder) / "train", 3 * need.num_utterances, need.num_frames, num_coefficients, num_phones)
        command = [sys.executable, __file__, "--train", folder, json.dumps(sections)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the training failed:\n{done.stderr}")
    return int(done.stdout.split()[-1])


def print_peak(folder: str, sections: str) -> None:
    """Train with these settings, and print the peak bytes beyond those at rest."""
    torch.set_num_threads(1)
    settings = Settings().updated(json.loads(sections))
    small: dict[str, Any] = {
        "convolutional_initial_channels": 1,
        "convolutional_channel_factor": 1,
        "convolutional_layers": min(settings.model.convolutional_layers, 1),
        "recurrent_size": 1,
        "recurrent_layers": 1,
    }
    train(f"{folder}/train", None, f"{folder}/small", settings.updated({"model": small, "data": {"batch_size": 1}}))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # gives freed memory back to the system
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    train(f"{folder}/train", None, f"{folder}/model", settings)
    print(_status("VmHWM") - before)


def _status(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{name}:"))


def described(settings: Settings, num_coefficients: int) -> str:
    """Short description of the sizes of a model."""
    model = asdict(settings.model)
    kind = "Mellin" if model["convolutional_mellin"] else "linear"
    kernel = f"{model['convolutional_kernel_time']}"
    if num_coefficients > 1:
        kernel += f" x {model['convolutional_kernel_freq']}"
    ways = "two-way " if model["recurrent_bidirectional"] else ""
    return (
        f"{kind}, {model['convolutional_layers']} of {model['convolutional_initial_channels']} channels, {kernel}, "
        f"window {model['window_size']} every {model['window_stride']} | "
        f"{model['recurrent_layers']} {ways}{model['recurrent_type']} of {model['recurrent_size']}, "
        f"{settings.training.optimizer}"
    )


def main() -> None:
    """Measure and write the section."""
    if sys.argv[1:2] == ["--train"]:
        print_peak(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first model; each further model has the next")
    parser.add_argument("--frames", type=int, default=250, help="frames of the longest utterance, with filter banks")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of the longest utterance, as raw audio")
    parser.add_argument("--most-gib", type=float, default=4)
    parser.add_argument("--dry", action="store_true", help="print the section instead of writing it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    limit, over, seed = int(arguments.most_gib * 2**30), 0, arguments.seed
    rows: list[str] = []
    ratios: list[float] = []
    while len(rows) < arguments.models:
        place = len(rows)
        num_coefficients, mellin = COEFFICIENTS[place % 3], place % 2 == 1
        num_frames = arguments.frames if num_coefficients > 1 else int(arguments.seconds * 16000)
        num_phones = int(arguments.seconds * PHONES_PER_SECOND)
        settings = sample_settings(seed, num_coefficients == 1, mellin)
        seed += 1
        with tempfile.TemporaryDirectory() as folder:
            partition = synthesise(Path(folder) / "train", 10, num_frames, num_coefficients, num_phones)
            began = time.process_time()
            need = measure_memory_need(settings, partition, SYMBOLS, limit_bytes=limit)
            seconds = time.process_time() - began
        if need.num_bytes > limit:
            over += 1
            print(f"model of seed {seed - 1} is left out: {need}, {seconds:.1f} s", flush=True)
            continue
        true = true_peak(settings, need, num_coefficients, num_phones)
        ratios.append(need.num_bytes / true)
        sizes = f"{need.num_bytes / 2**20:,.0f} | {true / 2**20:,.0f} | {ratios[-1]:.2f}"
        batch = f"{need.num_utterances} x {need.num_frames}"
        rows.append(f"| {num_coefficients} | {described(settings, num_coefficients)} | {batch} | {sizes} |")
        print(f"{rows[-1]} {seconds:.1f} s", flush=True)
    worst = max(ratios, key=lambda ratio: abs(ratio - 1))
    parts = [
        "## Memory guard",
        f"`python benchmarks/memory_guard.py --models {arguments.models} --seed {arguments.seed} --frames "
        f"{arguments.frames} --seconds {arguments.seconds:g} --most-gib {arguments.most_gib:g}`; torch "
        f"{torch.__version__}, {platform.machine()}, one thread.",
        f"Peak memory (MiB) that the guard of a search measures before a training, and that of the training in a "
        f"separate process, beyond what the process holds at rest; models sampled at random from the search space that "
        f"need at most {arguments.most_gib:g} GiB ({over} others needed more). Furthest off: {worst:.2f}.",
        "| coefficients | convolutions | recurrence, optimizer | batch | guard | true | guard / true |\n"
        "|--:|---|---|--:|--:|--:|--:|\n" + "\n".join(rows),
    ]
    if arguments.dry:
        print("\n\n".join(parts))
    else:
        write_section("memory_guard", "\n\n".join(parts))


if __name__ == "__main__":
    main()
