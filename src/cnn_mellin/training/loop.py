"""Training from the first epoch to the last, through any number of interruptions."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from cnn_mellin.atomic import delete_leftovers
from cnn_mellin.config import Settings
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError, ProcessLostError, SettingsError
from cnn_mellin.models.layer_summary import summarize_layers
from cnn_mellin.training.description import describe_training
from cnn_mellin.training.history import EpochRecord
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.lock import FolderLock
from cnn_mellin.training.machine import write_machine
from cnn_mellin.training.memory_shortage import naming_memory_shortage
from cnn_mellin.training.model_folder import ModelDescription
from cnn_mellin.training.process_group import ProcessGroup
from cnn_mellin.training.tracker import Tracker
from cnn_mellin.training.training_data import log_not_emittable, open_training_data
from cnn_mellin.training.training_run import TrainingRun

__all__ = ["SAVE_EVERY_MINUTES", "TrainingResult", "train"]

_log = logging.getLogger(__name__)

# A kill loses at most this much work; a checkpoint takes a second or two, even of a large model.
SAVE_EVERY_MINUTES = 10.0


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training.

    Args:
        model_dir: folder of the model.
        records: one record per epoch.
        best_epoch: epoch with the lowest dev PER (without a dev partition, the lowest training loss).
        resumed_from: last complete epoch of earlier runs; 0 for a new training.
    """

    model_dir: Path
    records: list[EpochRecord]
    best_epoch: int
    resumed_from: int


def train(
    train_dir: str | Path | UtteranceData,
    dev_dir: str | Path | UtteranceData | None,
    model_dir: str | Path,
    settings: Settings | None = None,
    *,
    device: torch.device | str = "cpu",
    after_epoch: Callable[[EpochRecord, int | None], None] = lambda _record, _epochs: None,
    stop: Callable[[], bool] = lambda: False,
    compiled: bool = False,
    num_data_workers: int = 1,
    save_every_minutes: float = SAVE_EVERY_MINUTES,
    group: ProcessGroup | None = None,
) -> TrainingResult:
    """Train a model, or resume the training that the folder holds.

    The same settings, seeds, data, versions and device give the same model, whether or not the training was
    interrupted: every random number comes from a stream named by seed, epoch and utterance. Another number of processes
    gives the same model up to rounding.

    News and problems of the training are logged.

    Args:
        train_dir, dev_dir: partitions or their folders; without a dev partition, the training loss decides which epoch
            is best and when to stop early.
        model_dir: folder for the model, made if it does not exist.
        settings: settings of model, training and data; one of `num_epochs` and early stopping must be set, which the
            defaults leave unset.
        device: device to compute on.
        after_epoch: called after each epoch, once its checkpoint is saved, with its record and `num_epochs`; an
            exception that it raises ends the training, which can be resumed.
        stop: called before each epoch and after each update; if it returns true, the training saves its state and ends.
        compiled: compile the convolutional layers, which takes minutes and then trains faster; results are equal up to
            rounding.
        num_data_workers: number of threads that prepare batches ahead; results do not depend on it.
        save_every_minutes: number of minutes after which the state within an epoch is saved, so that a kill loses no
            more; 0 saves after whole epochs only. Results do not depend on it.
        group: processes that train together; each makes this call with a device of its own and the same arguments, and
            computes a share of every batch. Process 0 writes the files and calls `after_epoch`; `stop` may return true
            in any. None for this process only.

    Returns:
        the result, with the records of all epochs, also of earlier runs.

    Raises:
        TrainingInterrupted: `stop` returned true; the same call resumes with the next batch.
        TrainingMemoryError: the device has too little memory.
        SettingsError: the training would never end, or torch cannot compile the model.
        OtherTrainingError: the folder holds a training with other settings or data.
        DataError: a partition is damaged, empty or of the wrong width, or the model folder is damaged.
        ProcessLostError: another process of the group has ended; the same call resumes.
        OtherProcessError: the training failed in another process of the group.
    """
    settings, group, model_dir = settings or Settings(), group or ProcessGroup(), Path(model_dir)
    if not 0 <= save_every_minutes < math.inf:
        raise SettingsError(f"save_every_minutes {save_every_minutes:g}: must be 0 (off) or a number of minutes")
    try:
        with ExitStack() as stack:
            data = group.together(lambda: open_training_data(train_dir, dev_dir, settings))

            def describe() -> ModelDescription:
                _require_own_folder(model_dir, [partition.path for partition in data.partitions])
                model_dir.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FolderLock(model_dir))
                delete_leftovers(model_dir)
                description = describe_training(model_dir, settings, data.training, data.dev, data.symbols)
                log_not_emittable(data.training, description)
                return description

            description = group.on_first(describe)
            place = torch.device(device)
            run = group.together(
                lambda: TrainingRun(model_dir, description, data, place, group, num_data_workers, save_every_minutes)
            )
            run.restore()
            if compiled:
                run.model.compile_convolutions()
            return _finish(run, after_epoch, stop, settings.training.tracker)
    except ProcessLostError as error:
        raise ProcessLostError(f"{model_dir}: {error}") from error


def _finish(
    run: TrainingRun,
    after_epoch: Callable[[EpochRecord, int | None], None],
    stop: Callable[[], bool],
    tracker_name: str,
) -> TrainingResult:
    """Train all epochs that are left."""
    folder, group, resumed_from = run.folder, run.group, run.progress.epoch
    if run.partial is not None:
        num_batches = run.partial.result.num_batches
        _log.info("%s: resumes within epoch %d, after batch %d", folder, resumed_from + 1, num_batches)
    elif resumed_from:
        _log.info("%s: resumes after epoch %d", folder, resumed_from)
    else:
        _log_layers(folder, run.description)
    recorded = group.is_first and not run.progress.finished
    tracker = group.together(lambda: Tracker(tracker_name if recorded else "none", folder, run.description.settings))

    def end_epoch() -> None:
        write_machine(folder, run.stepper.device)
        tracker.add(run.progress.records[-1])
        after_epoch(run.progress.records[-1], run.settings.training.num_epochs)

    while not run.progress.finished:
        group.stopping = group.stopping or any(group.gather(group.together(stop)))
        if group.stopping:
            raise TrainingInterrupted(
                f"{folder}: told to stop; all {run.progress.epoch} epochs are saved; run it again to resume"
            )
        with naming_memory_shortage(f"{folder}: epoch {run.progress.epoch + 1}"), _naming_no_compiler():
            run.epoch(stop)
        group.on_first(end_epoch)
    best_epoch = run.progress.best_epoch
    tracker.finish(best_epoch, run.progress.records[best_epoch - 1].dev_per_percent)
    return TrainingResult(folder, run.progress.records, best_epoch, resumed_from)


def _require_own_folder(model_dir: Path, inputs: Sequence[Path]) -> None:
    """Check that a training overwrites nothing but an earlier training."""
    real = Path(os.path.realpath(model_dir))
    for path in inputs:
        if Path(os.path.realpath(path)) in (real, *real.parents):
            raise DataError(f"{model_dir}: is the partition {path}, or lies in it; name another folder for the model")
    if not (model_dir / "model.json").exists():
        others = [name for name in ("checkpoints.json", "history.csv", "curves.png") if (model_dir / name).exists()]
        if others:
            raise DataError(f"{model_dir}: holds {', '.join(others)} but no model.json; name another folder")


def _log_layers(model_dir: Path, description: ModelDescription) -> None:
    """Log the size of the convolutional layers, and kernel rows that cannot learn."""
    config = description.as_settings().model
    if config.convolutional_layers:
        summary = summarize_layers(description.num_features, config)
        _log.info("%s: %s", model_dir, summary.cost)
        if summary.fault is not None:
            _log.warning("%s: %s", model_dir, summary.fault)


@contextmanager
def _naming_no_compiler() -> Iterator[None]:
    """Turn a failure of torch's compiler within the block into a SettingsError."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).splitlines()[0][:200]
        raise SettingsError(f"torch cannot compile the model here ({reason}); train without compiling it") from None
