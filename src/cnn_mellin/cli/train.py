"""`cnn-mellin train`: train an acoustic model."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mellin.training.history import EpochRecord

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train an acoustic model",
        description="Train an acoustic model with CTC. A training that was interrupted goes on from its last whole "
        "epoch, and ends with the same weights. Settings come from --read-ini and the like, before the command.",
    )
    parser.add_argument("train", metavar="TRAIN", help="partition to train on")
    parser.add_argument(
        "dev", metavar="DEV", nargs="?", help="partition that decides on the best epoch and on stopping"
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder for the model; one that holds it is resumed")
    parser.add_argument("--seed", type=int, metavar="N", help="sets both [model] seed and [training] seed")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train."""
    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.config import Settings
    from cnn_mellin.training import train

    settings = arguments.settings or Settings()
    if arguments.seed is not None:
        seeds = {"seed": arguments.seed}
        settings = settings.updated({"model": seeds, "training": seeds}, "--seed")
    result = train(
        arguments.train,
        arguments.dev,
        arguments.model_dir,
        settings,
        device=compute_device(arguments),
        report=(lambda _record, _epochs: None) if arguments.quiet else _progress_lines(),
        say=lambda line: print(line, flush=True),
    )
    best = result.records[result.best_epoch - 1]
    measure = (
        f"loss {best.train_loss:.3f}" if math.isnan(best.dev_per_percent) else f"dev PER {best.dev_per_percent:.2f} %"
    )
    print(f"{result.model_dir}: {len(result.records)} epochs, the best is {result.best_epoch} ({measure})")
    return 0


def _progress_lines() -> Callable[[EpochRecord, int | None], None]:
    """A function that prints a line an epoch."""
    began, done = time.monotonic(), 0

    def report(record: EpochRecord, num_epochs: int | None) -> None:
        nonlocal done
        done += 1
        parts = [
            f"epoch {record.epoch}" + (f"/{num_epochs}" if num_epochs else ""),
            f"loss {record.train_loss:.4f}",
            f"rate {record.learning_rate:.2e}",
            f"{record.utterances_per_s:.0f} utterances/s",
        ]
        if not math.isnan(record.dev_per_percent):
            parts.insert(2, f"dev PER {record.dev_per_percent:.2f} %")
        if num_epochs:
            left = (num_epochs - record.epoch) * (time.monotonic() - began) / done
            parts.append(f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left")
        print(", ".join(parts), flush=True)

    return report
