"""`cnn-mellin train`: train an acoustic model."""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.config import Settings
from cnn_mellin.extras import install_command
from cnn_mellin.report.epoch_events import EpochEvents
from cnn_mellin.report.figures.learning_curves import plot_learning_curves
from cnn_mellin.training import train
from cnn_mellin.training.history import EpochRecord, read_history
from cnn_mellin.training.interruption import EXIT_STATUS, StopSignals, TrainingInterrupted
from cnn_mellin.training.process_group import process_group

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Train the model, and plot its learning curves."""
    settings = arguments.settings or Settings()
    if arguments.seed is not None:
        seeds = {"seed": arguments.seed}
        settings = settings.updated({"model": seeds, "training": seeds}, "--seed")
    with process_group() as group, StopSignals(of_several=group.size > 1) as signals:
        device = compute_device(arguments, group)
        events = EpochEvents(arguments.model_dir) if group.is_first and not arguments.no_tensorboard else None
        log_epoch = _epoch_lines()

        def after_epoch(record: EpochRecord, num_epochs: int | None) -> None:
            log_epoch(record, num_epochs)
            if events is not None:
                events.add(record)

        try:
            result = train(
                arguments.train,
                arguments.dev,
                arguments.model_dir,
                settings,
                device=device,
                after_epoch=after_epoch,
                stop=lambda: signals.received is not None or group.lost_launcher(),
                compiled=arguments.compiled,
                save_every_minutes=arguments.save_every_minutes,
                group=group,
            )
        except TrainingInterrupted as interrupted:
            if group.is_first:
                reason = "the launcher has ended" if group.lost_launcher() else "another process was told to stop"
                print(f"cnn-mellin: {signals.received or reason}: {interrupted}", file=sys.stderr)
            return EXIT_STATUS
        finally:
            if events is not None:
                events.close()
    if not group.is_first:
        return 0
    _plot_curves(Path(arguments.model_dir))
    best = result.records[result.best_epoch - 1]
    measure = (
        f"loss {best.train_loss:.3f}" if math.isnan(best.dev_per_percent) else f"dev PER {best.dev_per_percent:.2f} %"
    )
    print(f"{result.model_dir}: {len(result.records)} epochs, the best is {result.best_epoch} ({measure})")
    return 0


def _plot_curves(folder: Path) -> None:
    """Plot the learning curves into the model folder, if matplotlib is installed."""
    try:
        plot_learning_curves({folder.name: [read_history(folder / "history.csv")]}, folder / "curves.png")
    except ImportError:
        _LOGGER.info("%s: no curves.png, as matplotlib is not installed; %s", folder, install_command(["report"]))


def _epoch_lines() -> Callable[[EpochRecord, int | None], None]:
    """Make a function that logs one line per epoch, with the time left."""
    began, done = time.monotonic(), 0

    def report(record: EpochRecord, num_epochs: int | None) -> None:
        nonlocal done
        done += 1
        parts = [
            f"epoch {record.epoch}" + (f"/{num_epochs}" if num_epochs else ""),
            f"loss {record.train_loss:.4f}",
            f"learning rate {record.learning_rate:.2e}",
            f"{record.utterances_per_s:.0f} utterances/s",
        ]
        if not math.isnan(record.dev_per_percent):
            parts.insert(2, f"dev PER {record.dev_per_percent:.2f} %")
        if num_epochs:
            left = (num_epochs - record.epoch) * (time.monotonic() - began) / done
            parts.append(f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left")
        _LOGGER.info(", ".join(parts))

    return report
