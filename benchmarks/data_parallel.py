"""Training with several processes: the same model up to rounding, whatever their number.

    python benchmarks/data_parallel.py [--utterances 200] [--processes 2 4] [--epochs 3] [--settings demo-mcorr]

torchrun starts each number of processes, one thread each, on the demonstration corpus, which is synthesised first
(extra demo). The table has losses, phone error rates and the largest difference of a weight from that of one process.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from cnn_mellin.cli.main import main as cnn_mellin
from cnn_mellin.config import format_settings, read_settings
from cnn_mellin.training import load_model
from cnn_mellin.training.history import read_history
from report import write_section


def train(data: Path, folder: Path, settings: Path, size: int, num_threads: int) -> None:
    """Train with so many processes of so many threads."""
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(size), "-m", "cnn_mellin", "--quiet"]
    command = ["--read-ini", str(settings), "train", str(data / "train"), str(data / "dev"), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(num_threads)}
    subprocess.run(
        [sys.executable, *launch, "--num-threads", str(num_threads), *command, "--seed", "1", "--no-tensorboard"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def row(folder: Path, first: Path, size: int, num_threads: int) -> str:
    """Line of the table for a training, compared with that of one process."""
    records = read_history(folder / "history.csv")
    weights, expected = (load_model(path, epoch=len(records))[0].state_dict() for path in (folder, first))
    largest = max(float((weights[name] - expected[name]).abs().max()) for name in weights)
    losses = ", ".join(f"{record.train_loss:.7f}" for record in records)
    percents = ", ".join(f"{record.dev_per_percent:.2f}" for record in records)
    return f"| {size} | {num_threads} | {losses} | {percents} | {largest:.1e} |"


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--settings", default="demo-mcorr")
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = ["corpus", "demo", str(folder / "corpus"), "--utterances", str(arguments.utterances)]
        features = ["--features", "fbank-81-10ms", "--partial"]
        for command in (made, ["prep", "timit", str(folder / "corpus"), str(folder / "data"), *features]):
            if cnn_mellin(["--quiet", *command]):
                raise SystemExit(f"cnn-mellin {' '.join(command)} failed")
        changes = {"training": {"num_epochs": arguments.epochs}, "data": {"batch_size": arguments.batch_size}}
        settings = read_settings(arguments.settings).updated(changes)
        (folder / "settings.ini").write_text(format_settings(settings))
        rows = []
        # Another number of threads changes the order of sums, too: its differences are those of rounding.
        for size, num_threads in [(1, 1), (1, 2), *((size, 1) for size in arguments.processes)]:
            trained = folder / f"processes{size}threads{num_threads}"
            train(folder / "data" / "fbank-81-10ms", trained, folder / "settings.ini", size, num_threads)
            rows.append(row(trained, folder / "processes1threads1", size, num_threads))
            print(rows[-1], flush=True)
    parts = [
        "## Several processes",
        f"`python benchmarks/data_parallel.py --utterances {arguments.utterances} --epochs {arguments.epochs} "
        f"--settings {arguments.settings} --batch-size {arguments.batch_size}`; torch {torch.__version__}, "
        f"{platform.machine()}, {os.cpu_count()} cores. Training loss and dev PER (%) of each epoch, and the largest "
        "difference of a weight from that of one process with one thread.",
        "| processes | threads of each | training loss | dev PER % | largest difference |\n"
        "|--:|--:|---|---|--:|\n" + "\n".join(rows),
    ]
    write_section("data_parallel", "\n\n".join(parts))


if __name__ == "__main__":
    main()
