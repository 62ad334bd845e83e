"""A model in training: its state between two epochs, and one epoch after another."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from cnn_mellin.data.audio_partition import load_audio_batch
from cnn_mellin.data.batch import Batch, load_batch
from cnn_mellin.data.batch_plan import plan_batches, summarize_batches
from cnn_mellin.data.prefetch import prefetch
from cnn_mellin.errors import DataError
from cnn_mellin.formats.symbols import class_of_end
from cnn_mellin.random_stream import random_stream, stream_seed
from cnn_mellin.training.augmentation import augment, draw_augmentation
from cnn_mellin.training.checkpoint import Checkpoint, CheckpointStore
from cnn_mellin.training.data_parallel import DataParallel, Pause
from cnn_mellin.training.dropout_stream import dropout_stream
from cnn_mellin.training.epoch import EpochResult, Stepper, train_epoch
from cnn_mellin.training.evaluation import partition_error_rate
from cnn_mellin.training.history import EpochRecord, write_history
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.model_folder import ModelDescription, build_model, checkpoint_store
from cnn_mellin.training.optimizer import make_optimizer
from cnn_mellin.training.process_group import ProcessGroup
from cnn_mellin.training.schedule import Schedule, learning_rate_factor
from cnn_mellin.training.training_data import TrainingData
from cnn_mellin.utterance_names import name_utterances

__all__ = ["Progress", "TrainingRun"]

_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Progress of a training, saved in each checkpoint.

    Args:
        epoch: number of complete epochs.
        best_epoch, best_value: epoch with the lowest dev PER (without a dev partition, training loss), and that value.
        finished: whether no epoch is left.
        records: one record per complete epoch.
    """

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


class TrainingRun:
    """A model in training, restored from its last checkpoint if there is one.

    Args:
        folder: model folder, locked by the caller.
        description: settings, seed, symbols and digests of the data.
        data: partitions that the description describes.
        device: device to compute on.
        group: processes that train together.
        num_data_workers: number of threads that prepare batches ahead.
        save_every_minutes: number of minutes after which the state within an epoch is saved; 0 is never.

    Raises:
        DataError: this process reads other partitions than process 0.
    """

    def __init__(
        self,
        folder: Path,
        description: ModelDescription,
        data: TrainingData,
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
        self.progress = Progress(0, 0, math.inf, False, [])
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
            sizes = self.settings.data
            summary = summarize_batches(plan, self.training_data, sizes)
            grow = "" if sizes.first_batch_size is None else f"; batches double until they have {sizes.batch_size}"
            _log.info("%s: %s%s", self.training_data.path, summary, grow)
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
            with nullcontext() if self.stepper.average is None else self.stepper.average.applied():
                percent = partition_error_rate(self.model, self.dev_data, self.description.symbols, self.group).percent
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
        value = progress.records[-1].value
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
        average = self.stepper.average
        if average is None:
            return Checkpoint(self.progress.epoch, self.model.state_dict(), training)
        training["average"] = average.state_dict()
        return Checkpoint(self.progress.epoch, average.model_state(), training)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.model)
        if self.stepper.average is not None:
            self.stepper.average.load_state_dict(checkpoint.training["average"])
        self.optimizer.load_state_dict(checkpoint.training["optimizer"])
        self.stepper.load_state_dict(checkpoint.training["stepper"])
        self.schedule.load_state_dict(checkpoint.training["schedule"])
        progress: dict[str, Any] = checkpoint.training["progress"]
        progress["records"] = [EpochRecord(**record) for record in progress["records"]]
        self.progress = Progress(**progress)
        partial = checkpoint.training.get("begun")
        if partial is not None:
            result = EpochResult(**partial["result"])
            if not self.group.is_first:  # process 0 goes on with the results of all
                none: list[list[str]] = [[] for _ in result.not_finite]
                result = EpochResult(num_batches=result.num_batches, not_finite=none, seconds=result.seconds)
            self.partial = _PartialEpoch(result, partial["random_state"])
        if self.group.is_first:
            write_history(self.folder / "history.csv", self.progress.records)
