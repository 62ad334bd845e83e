"""`cnn-mellin train`: train an acoustic model."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mellin.training.history import EpochRecord

__all__ = ["add_parser"]

_DESCRIPTION = """\
Train an acoustic model with CTC. Settings come from --read-ini and the like, before the command.

A training that was interrupted goes on when the same command is run again, and ends with the same weights. After a
kill it goes on from its last whole epoch. SIGTERM and SIGUSR1, which a cluster sends before it takes the machine back,
make it finish its batch, save and exit with status 75: nothing is lost.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "train",
        help="train an acoustic model",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("train", metavar="TRAIN", help="partition to train on")
    parser.add_argument(
        "dev", metavar="DEV", nargs="?", help="partition that decides on the best epoch and on stopping"
    )
    parser.add_argument("model_dir", metavar="MODEL_DIR", help="folder for the model; one that holds it is resumed")
    parser.add_argument("--seed", type=int, metavar="N", help="sets both [model] seed and [training] seed")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the convolutional layers (takes a C++ compiler, and minutes before the first batch); results "
        "are equal up to rounding, so use it for all of a training or for none",
    )
    parser.add_argument(
        "--no-tensorboard",
        action="store_true",
        help="do not write MODEL_DIR/tensorboard, which is written where TensorBoard is installed",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train."""
    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.config import Settings
    from cnn_mellin.report.epoch_events import EpochEvents
    from cnn_mellin.training import train
    from cnn_mellin.training.interruption import EXIT_STATUS, StopSignals, TrainingInterrupted

    def say(line: str) -> None:
        print(line, flush=True)

    settings = arguments.settings or Settings()
    if arguments.seed is not None:
        seeds = {"seed": arguments.seed}
        settings = settings.updated({"model": seeds, "training": seeds}, "--seed")
    device = compute_device(arguments)
    events = None if arguments.no_tensorboard else EpochEvents(arguments.model_dir)
    print_line = _progress_lines()

    def after_epoch(record: EpochRecord, num_epochs: int | None) -> None:
        if not arguments.quiet:
            print_line(record, num_epochs)
        if events is not None:
            events.add(record)

    with StopSignals() as signals:
        try:
            result = train(
                arguments.train,
                arguments.dev,
                arguments.model_dir,
                settings,
                device=device,
                after_epoch=after_epoch,
                stop=lambda: signals.received is not None,
                compiled=arguments.compile,
            )
        except TrainingInterrupted as left:
            print(f"cnn-mellin: {signals.received}: {left}", file=sys.stderr)
            return EXIT_STATUS
        finally:
            if events is not None:
                events.close()
    _draw_curves(arguments.model_dir, say)
    best = result.records[result.best_epoch - 1]
    measure = (
        f"loss {best.train_loss:.3f}" if math.isnan(best.dev_per_percent) else f"dev PER {best.dev_per_percent:.2f} %"
    )
    print(f"{result.model_dir}: {len(result.records)} epochs, the best is {result.best_epoch} ({measure})")
    return 0


def _draw_curves(model_dir: str, say: Callable[[str], None]) -> None:
    from pathlib import Path

    from cnn_mellin.extras import install_command
    from cnn_mellin.report.figures.learning_curves import plot_learning_curves

    folder = Path(model_dir)
    try:
        plot_learning_curves({folder.name: folder / "history.csv"}, folder / "curves.png")
    except ImportError:
        say(f"{folder}: no curves.png, as matplotlib is not installed; {install_command(['report'])}")


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
