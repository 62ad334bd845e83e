"""A training from its first epoch to its last, through any number of interruptions."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_mellin.atomic import delete_leftovers
from cnn_mellin.config import Settings
from cnn_mellin.data.batch import Batch, batch_indices, load_batch
from cnn_mellin.data.prefetch import prefetch
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.data.tensor_files import open_partition
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.formats.symbols import class_of_end, read_symbols
from cnn_mellin.models.windows import window_lengths
from cnn_mellin.random_stream import random_stream, stream_seed
from cnn_mellin.training.augmentation import augment, draw_augmentation
from cnn_mellin.training.checkpoint import Checkpoint, CheckpointStore
from cnn_mellin.training.description import describe_training
from cnn_mellin.training.dropout_stream import dropout_stream
from cnn_mellin.training.epoch import EpochResult, Stepper, train_epoch
from cnn_mellin.training.evaluation import partition_error_rate
from cnn_mellin.training.history import EpochRecord, write_history
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.lock import FolderLock
from cnn_mellin.training.memory_shortage import naming_memory_shortage
from cnn_mellin.training.model_folder import (
    ModelDescription,
    build_model,
    checkpoint_store,
)
from cnn_mellin.training.objective import frames_needed
from cnn_mellin.training.optimizer import make_optimizer
from cnn_mellin.training.schedule import Schedule, rate_factor
from cnn_mellin.utterance_names import name_utterances

__all__ = ["NO_END", "TrainingResult", "train"]

NO_END = (
    "[training] num_epochs is unset and early stopping is off, so that training would never end; set one of them, or "
    "read settings that ship with the program, such as model/demo-mcorr.ini"
)


@dataclass(frozen=True)
class TrainingResult:
    """What a training gave.

    Args:
        model_dir: where it is.
        records: one an epoch.
        best_epoch: the epoch with the lowest dev PER (training loss without a dev partition).
        resumed_from: the epoch after which this run began, 0 for a new training.
    """

    model_dir: Path
    records: list[EpochRecord]
    best_epoch: int
    resumed_from: int


@dataclass
class _Progress:
    """Where a training stands; all of it is in each checkpoint."""

    epoch: int
    best_epoch: int
    best_value: float
    finished: bool
    records: list[EpochRecord]


@dataclass
class _BegunEpoch:
    """What there is of an epoch that was left in its midst."""

    result: EpochResult
    random_state: list[torch.Tensor]


def train(
    train_dir: str | Path | UtteranceData,
    dev_dir: str | Path | UtteranceData | None,
    model_dir: str | Path,
    settings: Settings | None = None,
    *,
    device: torch.device | str = "cpu",
    report: Callable[[EpochRecord, int | None], None] = lambda _record, _epochs: None,
    say: Callable[[str], None] = lambda _line: None,
    stop: Callable[[], bool] = lambda: False,
    compiled: bool = False,
    num_data_workers: int = 1,
) -> TrainingResult:
    """Train a model, or go on with the training that the folder holds.

    The same settings, seeds, data, versions and device give the same model, whether or not the training was
    interrupted: what is random is drawn from streams named by seed, epoch and utterance.

    Args:
        train_dir, dev_dir: partitions or their folders; without a dev partition the training loss decides on stopping
            and on the best.
        model_dir: folder for the model, made where it is not there.
        settings: all of them; the defaults train nothing, as they set neither epochs nor early stopping.
        device: where to compute.
        report: called after each epoch, once its checkpoint is saved, with its record and the number of epochs, if
            that is set; what it raises ends the training, which can be gone on with.
        say: called with lines that the user should see.
        stop: asked after each update whether to save and leave.
        compiled: compile the convolutional layers: faster after some minutes, equal up to rounding.
        num_data_workers: threads that prepare batches ahead; their number changes no result.

    Raises:
        TrainingInterrupted: `stop` said so; the same call goes on with the next batch.
        TrainingMemoryError: the memory does not suffice.
        SettingsError: the settings train without end.
        OtherTrainingError: the folder holds a training with other settings or data.
        DataError: a partition is damaged, empty or does not fit, or the model folder is damaged.
    """
    settings = settings or Settings()
    training_data = _open(train_dir, settings)
    dev_data = None if dev_dir is None else _open(dev_dir, settings, training_data)
    symbols = read_symbols(training_data.path.parent / "ext")
    if settings.training.num_epochs is None and not settings.training.early_stopping_threshold:
        raise SettingsError(NO_END)
    for partition in (training_data, dev_data):
        if partition is not None:
            partition.check_finite()
            partition.check_classes(len(symbols))
    model_dir = Path(model_dir)
    _require_own(model_dir, [partition.path for partition in (training_data, dev_data) if partition is not None])
    model_dir.mkdir(parents=True, exist_ok=True)
    with FolderLock(model_dir, say):
        delete_leftovers(model_dir)
        description = describe_training(model_dir, settings, training_data, dev_data, symbols)
        _name_left_out(training_data, description, say)
        run = _Run(model_dir, description, training_data, dev_data, torch.device(device), num_data_workers)
        if compiled:
            run.model.compile_convolutions()
        resumed_from = run.progress.epoch
        if run.begun is not None:
            say(f"{model_dir}: goes on within epoch {resumed_from + 1}, after batch {run.begun.result.num_batches}")
        elif resumed_from:
            say(f"{model_dir}: goes on after epoch {resumed_from}")
        while not run.progress.finished:
            if stop():
                raise TrainingInterrupted(
                    f"{model_dir}: told to stop; all {run.progress.epoch} epochs are saved, the same command goes on"
                )
            with naming_memory_shortage(f"{model_dir}: epoch {run.progress.epoch + 1}"), _naming_no_compiler():
                run.epoch(say, stop)
            report(run.progress.records[-1], settings.training.num_epochs)
    return TrainingResult(model_dir, run.progress.records, run.progress.best_epoch, resumed_from)


class _Run:
    """A model in training, from its checkpoints."""

    def __init__(
        self,
        folder: Path,
        description: ModelDescription,
        training_data: UtteranceData,
        dev_data: UtteranceData | None,
        device: torch.device,
        num_data_workers: int,
    ) -> None:
        self._num_data_workers = num_data_workers
        self.folder, self.description = folder, description
        self.training_data, self.dev_data = training_data, dev_data
        self.settings = description.as_settings()
        self.model = build_model(description).to(device)
        self.optimizer = make_optimizer(self.model, self.settings)
        self.stepper = Stepper(self.model, self.optimizer, self.settings.training)
        self.schedule = Schedule(self.settings.training)
        self.store: CheckpointStore = checkpoint_store(folder, description)
        self.progress = _Progress(0, 0, math.inf, False, [])
        self.begun: _BegunEpoch | None = None
        checkpoint = self.store.load_last()
        if checkpoint is not None:
            self._restore(checkpoint)

    def epoch(self, say: Callable[[str], None], stop: Callable[[], bool]) -> None:
        """Train an epoch or what is left of it, evaluate, and save a checkpoint; or leave within, having saved one."""
        progress, config = self.progress, self.settings.training
        number = progress.epoch + 1
        plan = self._batches(number)
        if not plan:
            raise DataError(f"{self.training_data.path}: {len(self.training_data)} utterances fill no batch")
        total = len(plan) * (config.num_epochs or 0)

        def set_rate(update: int) -> None:
            rate = self.schedule.learning_rate * rate_factor((number - 1) * len(plan) + update, total, config)
            for group in self.optimizer.param_groups:
                group["lr"] = rate

        begun, self.begun = self.begun, None
        seed = stream_seed(self.description.seed, "dropout", number)
        with dropout_stream(self.stepper.device, seed, None if begun is None else begun.random_state) as random_state:
            result = EpochResult() if begun is None else begun.result
            batches = self._prepared(plan[result.num_batches :], number)
            result = train_epoch(self.stepper, batches, set_rate, begun=result, stop=stop)
            if result.num_batches < len(plan):
                self._save_within(_BegunEpoch(result, random_state()))
                raise TrainingInterrupted(
                    f"{self.folder}: told to stop; saved after batch {result.num_batches} of {len(plan)} of epoch "
                    f"{number}, the same command goes on there"
                )
        began_evaluation = time.perf_counter()
        for names in result.not_finite:
            say(f"epoch {number}: left out a batch whose loss or gradient was not finite: {name_utterances(names)}")
        if not result.num_utterances:
            raise DataError(
                f"{self.folder}: epoch {number}: no batch had a finite loss; the training has diverged, lower "
                "[training] log10_learning_rate or set max_gradient_norm"
            )
        percent = math.nan
        if self.dev_data is not None:
            percent = partition_error_rate(self.model, self.dev_data, self.description.symbols).percent
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

    def _batches(self, epoch: int) -> list[list[int]]:
        data = self.settings.data
        return batch_indices(
            self.training_data.num_frames,
            data.batch_size,
            seed=self.description.seed,
            epoch=epoch,
            drop_last=data.drop_last,
            bucket_by_length=data.bucket_by_length,
        )

    def _prepared(self, plan: list[list[int]], epoch: int) -> Iterator[Batch]:
        data, symbols = self.settings.data, self.description.symbols
        ends = [class_of_end(name, symbols) for name in (data.sos, data.eos)]

        def prepare(indices: Sequence[int]) -> Batch:
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
        keep_all = not self.settings.training.keep_last_and_best_only
        self.store.save(self._checkpoint(), best_epoch=self.progress.best_epoch, keep_all=keep_all)
        write_history(self.folder / "history.csv", self.progress.records)

    def _save_within(self, begun: _BegunEpoch) -> None:
        checkpoint = self._checkpoint()
        checkpoint.training["begun"] = {"result": asdict(begun.result), "random_state": begun.random_state}
        self.store.save_within(checkpoint, begun.result.num_batches)

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
        begun = checkpoint.training.get("begun")
        if begun is not None:
            self.begun = _BegunEpoch(EpochResult(**begun["result"]), begun["random_state"])
        write_history(self.folder / "history.csv", self.progress.records)


def _open(given: str | Path | UtteranceData, settings: Settings, like: UtteranceData | None = None) -> UtteranceData:
    partition = open_partition(given) if isinstance(given, (str, os.PathLike)) else given
    path = partition.path
    if settings.data.subset_ids and like is None:
        partition = select_utterances(partition, settings.data.subset_ids)
    if not len(partition):
        raise DataError(f"{path}: holds no utterance")
    if like is not None and partition.num_coefficients != like.num_coefficients:
        raise DataError(
            f"{path}: has {partition.num_coefficients} coefficients, but {like.path} has {like.num_coefficients}"
        )
    return partition


def _require_own(model_dir: Path, inputs: Sequence[Path]) -> None:
    """Check that a training overwrites nothing that no training wrote."""
    real = Path(os.path.realpath(model_dir))
    for path in inputs:
        if Path(os.path.realpath(path)) in (real, *real.parents):
            raise DataError(f"{model_dir}: is the partition {path}, or lies in it; name another folder for the model")
    if not (model_dir / "model.json").exists():
        others = [name for name in ("checkpoints.json", "history.csv", "curves.png") if (model_dir / name).exists()]
        if others:
            raise DataError(f"{model_dir}: holds {', '.join(others)} but no model.json; name another folder")


def _name_left_out(partition: UtteranceData, description: ModelDescription, say: Callable[[str], None]) -> None:
    """Say which references CTC cannot emit: they are trained on with a loss of zero."""
    references = [partition.reference_of(i)[:, 0] for i in range(len(partition))]
    lengths = torch.tensor([len(reference) for reference in references])
    needed = frames_needed(torch.from_numpy(np.concatenate(references)), lengths)
    stride = description.as_settings().model.window_stride
    short = window_lengths(torch.from_numpy(partition.num_frames), stride) < needed
    if short.any():
        names = [partition.utterance_ids[i] for i in short.nonzero().flatten().tolist()]
        say(
            f"{partition.path}: {len(names)} of {len(partition)} references are longer than CTC can emit with "
            f"[model] window_stride {stride}; their loss counts as zero: {name_utterances(names)}"
        )


@contextmanager
def _naming_no_compiler() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).splitlines()[0][:200]
        raise SettingsError(f"--compile: torch cannot compile the model here ({reason}); leave it out") from None
