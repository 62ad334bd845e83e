"""Ten, a hundred and a thousand hours: start of a training and of a search, batches per second, memory per process.

    python benchmarks/thousand_hours.py [--hours 10 100 1000] [--folder FOLDER]

Each corpus is simulated: 300 utterances of 12 s per hour, with ids, speakers, symbols and offsets of all of them, in
files as `prep` writes them. The features are a sparse file: only the utterances that the benchmark reads take room on
the disk, and hold random numbers. Every figure is that of a new process, the fastest of three.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin.config.files import read_settings
from cnn_mellin.data.batch_plan import plan_batches
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import PartitionWriter, write_partition
from cnn_mellin.data.verified_files import remember_written
from cnn_mellin.formats.symbols import write_symbols
from report import write_section

UTTERANCES_PER_HOUR, NUM_SYMBOLS, NUM_COEFFICIENTS, FRAMES_PER_SYMBOL = 300, 48, 81, 10
NUM_UPDATES, NUM_BATCHES, NUM_RUNS = 20, 200, 3
CONF = Path(__file__).parents[1] / "conf" / "model" / "demo-mcorr.ini"
DESCRIPTION = PartitionDescription(NUM_COEFFICIENTS, 10.0, "fbank-81-10ms", {"corpus": "simulated"})
FILES = ("partition.json", "index.npz", "features.npy")

# The beginning of every child: torch is imported first, with what its optimizers import when they are first used.
BEGIN = """
import json, os, sys, time
import torch, torch._dynamo, torch.optim
def resident(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key + ":"))
imported, began, used = resident("VmHWM"), time.perf_counter(), time.process_time()
def end(*values):
    print(json.dumps([*values, resident("VmHWM"), imported]), flush=True)
    os._exit(0)
"""
# Runs a command until the n-th update: seconds to the first update, updates per second, and processor time and memory
# at the first update.
COMMAND = """
from cnn_mellin.training.epoch import Stepper
step, times, memory = Stepper.__call__, [], []
def timed(self, batch):
    times.append(time.perf_counter())
    memory.append((time.process_time() - used, resident("VmHWM")))
    if len(times) > int(sys.argv[1]):
        end(times[0] - began, (len(times) - 2) / (times[-1] - times[1]) if len(times) > 2 else 0.0, *memory[0])
    return step(self, batch)
Stepper.__call__ = timed
from cnn_mellin.cli.main import main
sys.exit(main(sys.argv[2:]) or 1)
"""
# Loads batches one after another: batches per second.
BATCHES = """
from cnn_mellin.data.batch import load_batch
from cnn_mellin.data.batch_plan import plan_batches
from cnn_mellin.config import Settings
from cnn_mellin.data.partition import read_partition
partition, count = read_partition(sys.argv[1]), int(sys.argv[2])
plan = plan_batches(partition, Settings().data, 2, 1)[:count]
began = time.perf_counter()
for indices in plan:
    load_batch(partition, indices)
end(len(plan) / (time.perf_counter() - began))
"""
# Reads the table of a corpus and its symbols, which is what a preparation does before it reads audio.
PLAN = """
from cnn_mellin.corpora.table import read_table
from cnn_mellin.data.labelling import corpus_labelling
parts = read_table(sys.argv[1])
labelling = corpus_labelling(parts)
end(time.perf_counter() - began, time.process_time() - used)
"""


class SparseWriter(PartitionWriter):
    """Writes utterances whose features are a hole in the file."""

    def add_hole(self, utterance_id: str, num_frames: int, reference: NDArray[np.int64]) -> None:
        """Append an utterance of zeros without writing them."""
        self.add(utterance_id, np.zeros((0, NUM_COEFFICIENTS), np.float32), reference)
        self._frame_offsets[-1] += num_frames
        self._features.seek(num_frames * NUM_COEFFICIENTS * 4, os.SEEK_CUR)

    def close(self) -> None:
        """Write the index and the description; the features get their full length."""
        self._features.truncate()
        super().close()


def simulate(folder: Path, hours: float) -> int:
    """Write a corpus and its partitions; returns the number of utterances."""
    stream = np.random.default_rng(1)
    count = round(hours * UTTERANCES_PER_HOUR)
    speakers = np.sort(stream.integers(0, count // 100 + 2, count)).tolist()
    ids = [f"{speaker:05}-{number:07}" for number, speaker in enumerate(speakers)]
    symbols = [f"p{i:02}" for i in range(NUM_SYMBOLS)]
    train, ext = folder / "train", folder / "ext"
    train.mkdir(parents=True)
    writer = SparseWriter(train, DESCRIPTION)
    with wave.open(str(folder / "a.wav"), "wb") as audio:
        audio.setparams((1, 2, 16000, 0, "NONE", ""))
        audio.writeframes(bytes(32000))
    with open(folder / "corpus.tsv", "w") as table:
        table.write("utterance\tspeaker\taudio\ttranscript\n")
        for name, num_frames in zip(ids, stream.integers(200, 2200, count).tolist(), strict=True):
            classes = stream.integers(0, NUM_SYMBOLS, num_frames // FRAMES_PER_SYMBOL)
            ends = np.arange(1, len(classes) + 1) * FRAMES_PER_SYMBOL
            writer.add_hole(name, num_frames, np.stack([classes, ends - FRAMES_PER_SYMBOL, ends], 1))
            words = " ".join([symbols[i] for i in classes.tolist()])
            table.write(f"{name}\t{name.split('-')[0]}\ta.wav\t{words}\n")
    writer.close()
    fill(read_partition(train, verify="never"), stream)
    remember_written(train, FILES)
    with write_partition(folder / "dev", DESCRIPTION) as dev:
        for i in range(20):
            dev.add(f"dev-{i}", stream.standard_normal((300, NUM_COEFFICIENTS)), stream.integers(0, NUM_SYMBOLS, 30))
    write_symbols(ext, symbols)
    (ext / "utt2spk").write_text("".join(f"{name} {name.split('-')[0]}\n" for name in ids))
    return count


def fill(partition: Partition, stream: np.random.Generator) -> None:
    """Write random features of the utterances that will be read."""
    data = read_settings(CONF).data
    plans = (plan_batches(partition, data, 1, 1)[: NUM_UPDATES + 10], default_plan(partition))
    features = np.load(partition.path / "features.npy", mmap_mode="r+")
    noise = np.abs(stream.standard_normal((2200, NUM_COEFFICIENTS))).astype(np.float32)
    for i in {i for plan in plans for batch in plan for i in batch}:
        first, end = partition.frame_offsets[i : i + 2].tolist()
        features[first:end] = noise[: end - first]
    features.flush()


def default_plan(partition: Partition) -> list[list[int]]:
    """The batches that `BATCHES` loads."""
    from cnn_mellin.config import Settings

    return plan_batches(partition, Settings().data, 2, 1)[:NUM_BATCHES]


def child(program: str, *arguments: str, cwd: Path) -> list[float]:
    """Run a program in a new process; returns what it ends with, its peak memory and that of importing torch (MiB)."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program, *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def measure(folder: Path, hours: float) -> list[str]:
    """Cells of the table for a corpus of this size."""
    began = time.perf_counter()
    count = simulate(folder, hours)
    print(f"{hours:g} hours: simulated in {time.perf_counter() - began:.0f} s", flush=True)
    plan = child(PLAN, "corpus.tsv", cwd=folder)
    training, search = [], []
    for run in range(NUM_RUNS):
        command = ["--quiet", "--read-ini", str(CONF), "train", "train", "dev", f"model{run}", "--seed", "1"]
        training.append(child(COMMAND, str(NUM_UPDATES), *command, cwd=folder))
        database = f"sqlite:///{run}.db"
        for arguments in (["init", "train", "--num-trials", "2", "--whitelist", "model.recurrent_size"], ["run"]):
            command = ["--quiet", "--read-ini", str(CONF), "optim", database, *arguments]
            if arguments == ["run"]:
                search.append(child(COMMAND, "0", *command, cwd=folder))
            else:
                subprocess.run([sys.executable, "-m", "cnn_mellin", *command], cwd=folder, check=True)
    loading = max(child(BATCHES, "train", str(NUM_BATCHES), cwd=folder) for _ in range(NUM_RUNS))
    start, updates, processor, memory, peak, imported = min(training)
    searched = min(search)
    size = sum(path.stat().st_size for path in (folder / "train").iterdir()) / 1e9
    numbers = [f"{plan[0]:.1f} ({plan[1]:.1f})", f"{plan[2]:.0f}", f"{start:.1f} ({processor:.1f})"]
    numbers += [f"{searched[0]:.1f} ({searched[2]:.1f})", f"{updates:.1f}"]
    memories = [f"{imported:.0f}", f"{memory:.0f}", f"{peak:.0f}", f"{searched[4]:.0f}"]
    return [f"{hours:g}", f"{count:,}", f"{size:.1f}", *numbers, f"{loading[0]:.0f}", *memories]


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--folder", help="folder for the corpora, of 1 GB per 1,000 hours; by default a temporary one")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as parent:
        os.environ["XDG_CACHE_HOME"] = str(Path(parent) / "cache")
        for hours in arguments.hours:
            folder = Path(parent) / f"{hours:g}"
            rows.append("| " + " | ".join(measure(folder, hours)) + " |")
            print(rows[-1], flush=True)
            shutil.rmtree(folder)
    head = [
        *("hours", "utterances", "partition, GB", "plan, s", "plan, MiB", "training starts, s", "search starts, s"),
        *("updates/s", "batches/s", "torch, MiB", "first update, MiB", "after 20 updates, MiB", "search, MiB"),
    ]
    parts = [
        "## A thousand hours",
        f"`python benchmarks/thousand_hours.py`; torch {torch.__version__}, {platform.machine()}, one thread, on a "
        "machine that other work shared. Simulated corpora of 300 utterances of 2 to 22 s per hour, 81 coefficients; "
        "the features that are read are random numbers, the others a hole in the file. Plan: what `prep table` does "
        "before it reads audio (table, symbols). Starts: from the command to the first update of `train` and of the "
        "first trial of `optim run` (demo-mcorr), beyond the import of Python and torch. In parentheses, the processor "
        "time, which other work does not lengthen. Updates: `train` with demo-mcorr, 4 utterances each. Batches: 10 "
        "random utterances each, loaded in one thread. Memory: peak resident memory of the process, of which torch "
        "alone needs the first column. The fastest of three runs each. The plan grows with the number of utterances; "
        "start and memory of a training or a search grow only by what the ids, offsets, speakers and order of the "
        "utterances take.",
        f"| {' | '.join(head)} |\n|{'--:|' * len(head)}\n" + "\n".join(rows),
    ]
    write_section("thousand hours", "\n\n".join(parts))


if __name__ == "__main__":
    main()
