"""Training from the first epoch to the last, through any number of interruptions."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.atomic import delete_leftovers
from cnn_mellin.config import Settings
from cnn_mellin.data.audio_partition import load_audio_batch, open_features
from cnn_mellin.data.batch import Batch, load_batch
from cnn_mellin.data.batch_plan import plan_batches, summarize_batches
from cnn_mellin.data.prefetch import prefetch
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError, ProcessLostError, SettingsError
from cnn_mellin.formats.symbols import class_of_end, read_symbols
from cnn_mellin.models.layer_summary import summarize_layers
from cnn_mellin.ops.window_correlation import num_windows
from cnn_mellin.random_stream import random_stream, stream_seed
from cnn_mellin.training.augmentation import augment, draw_augmentation
from cnn_mellin.training.checkpoint import Checkpoint, CheckpointStore
from cnn_mellin.training.data_parallel import DataParallel, Pause
from cnn_mellin.training.description import describe_training
from cnn_mellin.training.dropout_stream import dropout_stream
from cnn_mellin.training.epoch import EpochResult, Stepper, train_epoch
from cnn_mellin.training.evaluation import partition_error_rate
from cnn_mellin.training.history import EpochRecord, write_history
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.lock import FolderLock
from cnn_mellin.training.machine import write_machine
from cnn_mellin.training.memory_shortage import naming_memory_shortage
from cnn_mellin.training.model_folder import (
    ModelDescription,
    build_model,
    checkpoint_store,
)
from cnn_mellin.training.optimizer import make_optimizer
from cnn_mellin.training.process_group import ProcessGroup
from cnn_mellin.training.schedule import Schedule, learning_rate_factor
from cnn_mellin.training.tracker import Tracker
from cnn_mellin.utterance_names import name_utterances

__all__ = ["NO_END", "SAVE_EVERY_MINUTES", "TrainingResult", "train"]

_log = logging.getLogger(__name__)

# A kill loses at most this much work; a checkpoint takes a second or two, even of a large model.
SAVE_EVERY_MINUTES = 10.0
NO_END = (
    "[training] num_epochs is unset and early stopping is off, so training would never end; set one of them, or read "
    "settings that ship with the program, such as model/demo-mcorr.ini"
)


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


@dataclass
class _Progress:
    """Progress of a training, saved in each checkpoint."""

    epoch: int
    best_epoch: int
    best_value: float
    finished: bool
    records: list[EpochRecord]


@dataclass
class _PartialEpoch:
    """Partial epoch that was interrupted."""

    result: EpochResult
    random_state: list[torch.Tensor]


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
            data = group.together(lambda: _open_data(train_dir, dev_dir, settings))

            def describe() -> ModelDescription:
                _require_own_folder(model_dir, [partition.path for partition in data.partitions])
                model_dir.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FolderLock(model_dir))
                delete_leftovers(model_dir)
                description = describe_training(model_dir, settings, data.training, data.dev, data.symbols)
                _log_not_emittable(data.training, description)
                return description

            description = group.on_first(describe)
            place = torch.device(device)
            run = group.together(
                lambda: _Run(model_dir, description, data, place, group, num_data_workers, save_every_minutes)
            )
            run.restore()
            if compiled:
                run.model.compile_convolutions()
            return _finish(run, after_epoch, stop, settings.training.tracker)
    except ProcessLostError as error:
        raise ProcessLostError(f"{model_dir}: {error}") from error


def _finish(
    run: _Run, after_epoch: Callable[[EpochRecord, int | None], None], stop: Callable[[], bool], tracker_name: str
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


@dataclass(frozen=True)
class _Data:
    """Partitions of a training, and the symbols of their classes."""

    training: UtteranceData
    dev: UtteranceData | None
    symbols: list[str]

    @property
    def partitions(self) -> list[UtteranceData]:
        return [self.training] if self.dev is None else [self.training, self.dev]


def _open_data(
    train_dir: str | Path | UtteranceData, dev_dir: str | Path | UtteranceData | None, settings: Settings
) -> _Data:
    """Open and check the partitions of a training, and check that it would end."""
    training = _open(train_dir, settings)
    dev = None if dev_dir is None else _open(dev_dir, settings, training)
    data = _Data(training, dev, read_symbols(training.path.parent / "ext"))
    if settings.training.num_epochs is None and not settings.training.early_stopping_threshold:
        raise SettingsError(NO_END)
    for partition in data.partitions:
        partition.check_finite()
        partition.check_classes(len(data.symbols))
    return data


class _Run:
    """A model in training, restored from its last checkpoint if there is one."""

    def __init__(
        self,
        folder: Path,
        description: ModelDescription,
        data: _Data,
        device: torch.device,
        group: ProcessGroup,
        num_data_workers: int,
        save_every_minutes: float,
    ) -> None:
        found = [description.train, description.dev][: len(data.partitions)]
        for partition, digest in zip(data.partitions, found, strict=True):
            if partition.digest != digest:
                raise DataError(f"{partition.path}: is not the partition that process 0 reads; copy it here again")
        self._num_data_workers, self._save_every_s = num_data_workers, 60 * save_every_minutes or math.inf
        self.folder, self.description, self.group = folder, description, group
        self.training_data, self.dev_data = data.training, data.dev
        self.settings = description.as_settings()
        self.model = build_model(description).to(device)
        self.optimizer = make_optimizer(self.model, self.settings)
        self.stepper = Stepper(self.model, self.optimizer, self.settings.training)
        self.schedule = Schedule(self.settings.training)
        self.progress = _Progress(0, 0, math.inf, False, [])
        self.partial: _PartialEpoch | None = None

    def restore(self) -> None:
        """Restore the last checkpoint, if there is one; all processes take the state of process 0."""
        if self.group.size > 1:
            self.stepper.parallel = DataParallel(self.group, self.model, self.training_data.num_frames)

        def load() -> Checkpoint | None:
            self.store: CheckpointStore = checkpoint_store(self.folder, self.description)
            self.store.delete_unlisted()
            checkpoint = self.store.load_last()
            if checkpoint is None and self.group.size > 1:  # without a seed, each process has other initial weights
                checkpoint = self._checkpoint()
                checkpoint.model = {name: value.cpu() for name, value in checkpoint.model.items()}
            return checkpoint

        checkpoint = self.group.on_first(load)
        if checkpoint is not None:
            self.group.together(lambda: self._restore(checkpoint))

    def epoch(self, stop: Callable[[], bool]) -> None:
        """Train an epoch or the rest of it, evaluate, and save a checkpoint.

        Raises:
            TrainingInterrupted: `stop` returned true; a checkpoint within the epoch is saved.
        """
        progress, config = self.progress, self.settings.training
        number = progress.epoch + 1
        plan = self._batches(number)
        if not plan:
            raise DataError(f"{self.training_data.path}: {len(self.training_data)} utterances fill no batch")
        total = len(plan) * (config.num_epochs or 0)

        def set_learning_rate(update: int) -> None:
            factor = learning_rate_factor((number - 1) * len(plan) + update, total, config)
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule.learning_rate * factor

        if progress.epoch == 0 and self.partial is None:
            summary = summarize_batches(plan, self.training_data, self.settings.data)
            _log.info("%s: %s", self.training_data.path, summary)
        partial, self.partial = self.partial, None
        seed = stream_seed(self.description.seed, "dropout", number)
        with dropout_stream(
            self.stepper.device, seed, None if partial is None else partial.random_state
        ) as random_state:
            result = EpochResult() if partial is None else partial.result
            while True:
                result = self._updates(plan, number, set_learning_rate, result, stop)
                if result.num_batches == len(plan):
                    break
                self._save_within(_PartialEpoch(self._merged(result), random_state()))
                if self.group.stopping:
                    raise TrainingInterrupted(
                        f"{self.folder}: told to stop; saved after batch {result.num_batches} of {len(plan)} of epoch "
                        f"{number}; run it again to resume there"
                    )
        result = self._merged(result)
        began_evaluation = time.perf_counter()
        for names in result.not_finite:
            _log.warning(
                "%s: epoch %d: left out a batch whose loss or gradient was not finite: %s",
                self.folder,
                number,
                name_utterances(names),
            )
        if not result.num_utterances:
            raise DataError(
                f"{self.folder}: epoch {number}: no batch had a finite loss; the training has diverged: lower "
                "[training] log10_learning_rate or set max_gradient_norm"
            )
        percent = math.nan
        if self.dev_data is not None:
            percent = partition_error_rate(self.model, self.dev_data, self.description.symbols, self.group).percent
        value = result.train_loss if math.isnan(percent) else percent
        progress.records.append(
            EpochRecord(
                number,
                self.optimizer.param_groups[0]["lr"],
                result.train_loss,
                percent,
                len(result.not_emittable),
                len(result.not_finite),
                result.num_utterances / result.seconds,
                result.seconds + time.perf_counter() - began_evaluation,
            )
        )
        progress.epoch = number
        if value < progress.best_value:
            progress.best_epoch, progress.best_value = number, value
        enough = self.schedule.after_epoch(value)
        progress.finished = enough or number == config.num_epochs
        self._save()

    def _updates(
        self,
        plan: list[list[int]],
        number: int,
        set_learning_rate: Callable[[int], None],
        result: EpochResult,
        stop: Callable[[], bool],
    ) -> EpochResult:
        """Update the model on the batches that are left, until it is time to save or stop."""
        began, parallel = time.monotonic(), self.stepper.parallel

        def pause() -> Pause:
            if stop():
                return Pause.STOP
            due = self.group.is_first and time.monotonic() - began >= self._save_every_s
            return Pause.SAVE if due else Pause.NONE

        def pause_alone() -> bool:
            reason = pause()
            self.group.stopping = self.group.stopping or reason == Pause.STOP
            return reason != Pause.NONE

        rest = plan[result.num_batches :]
        if parallel is None:
            batches = self._prepared(rest, number)
            return train_epoch(self.stepper, batches, set_learning_rate, partial=result, stop=pause_alone)
        prepared = self._prepared(parallel.own_batches(rest), number)
        batches = parallel.in_step(prepared, rest, pause, f"{self.folder}: epoch {number}")
        return train_epoch(self.stepper, batches, set_learning_rate, partial=result)

    def _merged(self, result: EpochResult) -> EpochResult:
        parallel = self.stepper.parallel
        return result if parallel is None else parallel.merged(result)

    def _batches(self, epoch: int) -> list[list[int]]:
        return plan_batches(self.training_data, self.settings.data, self.description.seed, epoch)

    def _prepared(self, plan: Iterable[list[int]], epoch: int) -> Iterator[Batch]:
        data, symbols = self.settings.data, self.description.symbols
        ends = [class_of_end(name, symbols) for name in (data.sos, data.eos)]

        def prepare(indices: Sequence[int]) -> Batch:
            batch = load_audio_batch(self.training_data, indices, self.stepper.device, ends)
            if batch is None:
                batch = load_batch(self.training_data, indices, first_class=ends[0], last_class=ends[1])
            draws = [
                draw_augmentation(
                    self.settings.training,
                    int(length),
                    batch.features.size(2),
                    random_stream(self.description.seed, "augmentation", epoch, utterance_id),
                )
                for length, utterance_id in zip(batch.lengths, batch.utterance_ids, strict=True)
            ]
            batch.features, batch.lengths = augment(batch.features, batch.lengths, draws)
            return batch

        return prefetch(prepare, plan, self._num_data_workers)

    def _save(self) -> None:
        def save() -> None:
            keep_all = not self.settings.training.keep_last_and_best_only
            self.store.save(self._checkpoint(), best_epoch=self.progress.best_epoch, keep_all=keep_all)
            write_history(self.folder / "history.csv", self.progress.records)

        self.group.on_first(save)

    def _save_within(self, partial: _PartialEpoch) -> None:
        def save() -> None:
            checkpoint = self._checkpoint()
            checkpoint.training["begun"] = {"result": asdict(partial.result), "random_state": partial.random_state}
            self.store.save_within(checkpoint, partial.result.num_batches)

        self.group.on_first(save)

    def _checkpoint(self) -> Checkpoint:
        training = {
            "optimizer": self.optimizer.state_dict(),
            "stepper": self.stepper.state_dict(),
            "schedule": self.schedule.state_dict(),
            "progress": asdict(self.progress),
        }
        return Checkpoint(self.progress.epoch, self.model.state_dict(), training)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.training["optimizer"])
        self.stepper.load_state_dict(checkpoint.training["stepper"])
        self.schedule.load_state_dict(checkpoint.training["schedule"])
        progress: dict[str, Any] = checkpoint.training["progress"]
        progress["records"] = [EpochRecord(**record) for record in progress["records"]]
        self.progress = _Progress(**progress)
        partial = checkpoint.training.get("begun")
        if partial is not None:
            result = EpochResult(**partial["result"])
            if not self.group.is_first:  # process 0 goes on with the results of all
                none: list[list[str]] = [[] for _ in result.not_finite]
                result = EpochResult(num_batches=result.num_batches, not_finite=none, seconds=result.seconds)
            self.partial = _PartialEpoch(result, partial["random_state"])
        if self.group.is_first:
            write_history(self.folder / "history.csv", self.progress.records)


def _open(given: str | Path | UtteranceData, settings: Settings, like: UtteranceData | None = None) -> UtteranceData:
    partition = open_features(given, settings.data.audio_features) if isinstance(given, (str, os.PathLike)) else given
    path = partition.path
    if settings.data.subset_ids and like is None:
        partition = select_utterances(partition, settings.data.subset_ids)
    if not len(partition):
        raise DataError(f"{path}: holds no utterances")
    if like is not None and partition.num_coefficients != like.num_coefficients:
        raise DataError(
            f"{path}: has {partition.num_coefficients} coefficients, but {like.path} has {like.num_coefficients}"
        )
    return partition


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


def _log_not_emittable(partition: UtteranceData, description: ModelDescription) -> None:
    """Log which references CTC cannot emit: their loss is zero."""
    needed = torch.from_numpy(partition.reference_lengths + partition.adjacent_repeats)
    stride = description.as_settings().model.window_stride
    short = num_windows(torch.from_numpy(partition.num_frames), stride) < needed
    if short.any():
        names = [partition.utterance_ids[i] for i in short.nonzero().flatten().tolist()]
        _log.warning(
            "%s: %d of %d references are longer than CTC can emit with [model] window_stride %d; their loss counts as "
            "zero: %s",
            partition.path,
            len(names),
            len(partition),
            stride,
            name_utterances(names),
        )


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
