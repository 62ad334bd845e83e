"""The objective of a study's trials: a training with the trial's settings."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.formats.identifier import identifier_fault
from cnn_mellin.search.early_end import HandBack, Pruned
from cnn_mellin.search.memory_guard import can_measure_memory, measure_memory_need, memory_size
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.shared_trials import train_together
from cnn_mellin.search.study_data import StudyData
from cnn_mellin.training.description import OtherTrainingError
from cnn_mellin.training.history import EpochRecord, read_history
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.loop import TrainingResult, train
from cnn_mellin.training.process_group import ProcessGroup

if TYPE_CHECKING:
    from cnn_mellin.search.worker import RunningTrial  # needs an extra, which trainings do without

__all__ = ["TrialTraining"]

_logger = logging.getLogger(__name__)


class TrialTraining:
    """The objective of a study: trains with a trial's settings, and returns the lowest dev PER in percent.

    The dev PER of each epoch is reported to the study, whose pruner may end the training, and logged. A trial of
    another worker is resumed from its last checkpoint if both share `model_dir`.

    Args:
        study_name: name of the study.
        plan: plan of the study.
        data: utterances from `open_study_data`.
        device: device on which to train.
        model_dir: folder in which trainings are kept, as `model_dir/STUDY/trial_0000` and so on; by default they are
            in a temporary folder, and deleted afterwards.
    """

    def __init__(
        self,
        study_name: str,
        plan: StudyPlan,
        data: StudyData,
        device: torch.device | str = "cpu",
        model_dir: str | Path | None = None,
        group: ProcessGroup | None = None,
    ) -> None:
        self._group = group or ProcessGroup()
        self._study_name, self._plan, self._data = study_name, plan, data
        self._device, self._model_dir = torch.device(device), model_dir

    def __call__(self, trial: RunningTrial) -> float:
        """Train, and return the lowest dev PER in percent.

        Raises:
            Pruned: the study's pruner ended the trial, or it needs more memory than the study allows.
            HandBack: the worker was asked to stop; the training is saved.
        """
        settings = self.settings_of(trial)
        with self._folder(trial) as folder:
            if not (folder / "model.json").exists():
                self._check_memory(settings)
            try:
                return self._train(trial, settings, folder)
            except OtherTrainingError as error:
                _logger.warning("trial %d: restarts, as %s", trial.number, error)
                shutil.rmtree(folder)
                return self._train(trial, settings, folder)

    def settings_of(self, trial: RunningTrial) -> Settings:
        """The trial's settings; seeds that the study leaves unset are derived from the trial."""
        name = hashlib.sha256(f"{self._study_name}/{trial.number}".encode()).digest()
        seed = int.from_bytes(name[:4], "little")
        sections: dict[str, dict[str, object]] = {"data": {"subset_ids": []}}  # the study's data already are the subset
        for section in ("model", "training"):
            if getattr(trial.settings, section).seed is None:
                sections[section] = {"seed": seed}
        return trial.settings.updated(sections, "trial")

    def _check_memory(self, settings: Settings) -> None:
        limit = self._plan.mem_limit_bytes
        if limit is None:
            return
        if not can_measure_memory(self._device):
            _logger.warning(
                f"the memory limit is ignored: the memory of a step cannot be measured on {self._device.type}"
            )
            return
        need = measure_memory_need(
            settings,
            self._data.train,
            len(self._data.symbols),
            self._device,
            limit_bytes=limit,
            num_processes=self._group.size,
        )
        if need.num_bytes > limit:
            raise Pruned(f"it needs {need}; the limit is {memory_size(limit)}")

    @contextmanager
    def _folder(self, trial: RunningTrial) -> Iterator[Path]:
        if self._model_dir is None:
            with tempfile.TemporaryDirectory(prefix="cnn_mellin_") as folder:
                yield Path(folder) / "trial"
        else:
            yield self._kept(trial.number)

    def discard(self, number: int) -> None:
        """Delete the training of a trial from `model_dir`."""
        if self._model_dir is not None and number >= 0:
            shutil.rmtree(self._kept(number), ignore_errors=True)

    def _kept(self, number: int) -> Path:
        assert self._model_dir is not None
        study = self._study_name
        if identifier_fault(study) is not None:  # the study was created before names had to be identifiers
            study = re.sub(r"[^\w.-]", "_", study)
        return Path(self._model_dir) / study / f"trial_{number:04d}"

    def _train(self, trial: RunningTrial, settings: Settings, folder: Path) -> float:
        reported = 0

        def report(record: EpochRecord, num_epochs: int | None) -> None:
            nonlocal reported
            if record.epoch > reported + 1:  # this trial was resumed
                report_again(read_history(folder / "history.csv")[: record.epoch - 1])
            of = f"/{num_epochs}" if num_epochs else ""
            _logger.info(
                f"trial {trial.number}: epoch {record.epoch}{of}, loss {record.train_loss:.4f}, dev PER "
                f"{record.dev_per_percent:.2f} %, {record.seconds:.1f} s"
            )
            reported = record.epoch
            trial.report(record.epoch, record.dev_per_percent, may_prune=record.epoch != num_epochs)

        def report_again(records: list[EpochRecord]) -> None:
            nonlocal reported
            for record in records[reported:]:
                trial.report(record.epoch, record.dev_per_percent, may_prune=False)
                reported = record.epoch

        def run() -> TrainingResult:
            return train(
                self._data.train,
                self._data.dev,
                folder,
                settings,
                device=self._device,
                after_epoch=report,
                stop=trial.should_stop,
                num_data_workers=self._plan.num_data_workers,
                group=self._group if self._group.size > 1 else None,
            )

        try:
            result = train_together(self._group, folder, settings, run)
        except TrainingInterrupted as left:
            raise HandBack(str(left)) from None
        report_again(result.records)
        return result.records[result.best_epoch - 1].dev_per_percent
