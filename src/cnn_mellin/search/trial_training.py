"""A trial as a training: what a study's workers do with the settings they draw."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.formats.identifier import identifier_fault
from cnn_mellin.search.memory_guard import can_measure_memory, measure_memory_need, memory_size
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.study_data import StudyData
from cnn_mellin.search.worker import HandBack, Pruned, RunningTrial
from cnn_mellin.training.description import OtherTrainingError
from cnn_mellin.training.history import EpochRecord, read_history
from cnn_mellin.training.interruption import TrainingInterrupted
from cnn_mellin.training.loop import TrainingResult, train

__all__ = ["TrialTraining"]


class TrialTraining:
    """The objective of a study: trains with a trial's settings, and gives the lowest dev PER in percent.

    Each epoch's dev PER is reported to the study, whose pruner may end the training. A trial that another worker has
    begun goes on from its last checkpoint where both share `model_dir`.

    Args:
        study_name: of the study.
        plan: of the study.
        data: that `open_study_data` gave for it.
        device: where to compute.
        model_dir: trainings are `model_dir/STUDY/trial_0000` and so on, and stay; by default they are in a temporary
            folder, and go.
        say: called with a line for each epoch and each event.
    """

    def __init__(
        self,
        study_name: str,
        plan: StudyPlan,
        data: StudyData,
        device: torch.device | str = "cpu",
        model_dir: str | Path | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._study_name, self._plan, self._data = study_name, plan, data
        self._device, self._model_dir, self._say = torch.device(device), model_dir, say

    def __call__(self, trial: RunningTrial) -> float:
        """The lowest dev PER of the trial's training, in percent.

        Raises:
            Pruned: the pruner ended it, or it needs more memory than the study allows.
            HandBack: the worker was told to stop; what there is is saved.
        """
        settings = self.settings_of(trial)
        with self._folder(trial) as folder:
            if not (folder / "model.json").exists():
                self._check_memory(settings)
            try:
                return self._train(trial, settings, folder)
            except OtherTrainingError as error:
                self._say(f"trial {trial.number}: begins anew, as {error}")
                shutil.rmtree(folder)
                return self._train(trial, settings, folder)

    def settings_of(self, trial: RunningTrial) -> Settings:
        """The trial's settings, with seeds of its own where the study has none."""
        name = hashlib.sha256(f"{self._study_name}/{trial.number}".encode()).digest()
        seed = int.from_bytes(name[:4], "little")
        sections: dict[str, dict[str, object]] = {"data": {"subset_ids": []}}  # the study's data are the subset
        for section in ("model", "training"):
            if getattr(trial.settings, section).seed is None:
                sections[section] = {"seed": seed}
        return trial.settings.updated(sections, "trial")

    def _check_memory(self, settings: Settings) -> None:
        limit = self._plan.mem_limit_bytes
        if limit is None:
            return
        if not can_measure_memory(self._device):
            self._say(f"the memory limit is not watched: {self._device.type} does not tell the memory of a step here")
            return
        data = self._data
        need = measure_memory_need(settings, data.train, len(data.symbols), self._device, limit_bytes=limit)
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
        """Delete what `model_dir` holds of a trial."""
        if self._model_dir is not None and number >= 0:
            shutil.rmtree(self._kept(number), ignore_errors=True)

    def _kept(self, number: int) -> Path:
        assert self._model_dir is not None
        study = self._study_name
        if identifier_fault(study) is not None:  # of a study that was begun before names had to be identifiers
            study = re.sub(r"[^\w.-]", "_", study)
        return Path(self._model_dir) / study / f"trial_{number:04d}"

    def _train(self, trial: RunningTrial, settings: Settings, folder: Path) -> float:
        reported = 0

        def report(record: EpochRecord, num_epochs: int | None) -> None:
            nonlocal reported
            if record.epoch > reported + 1:  # another worker began this trial
                again(read_history(folder / "history.csv")[: record.epoch - 1])
            of = f"/{num_epochs}" if num_epochs else ""
            self._say(
                f"trial {trial.number}: epoch {record.epoch}{of}, loss {record.train_loss:.4f}, dev PER "
                f"{record.dev_per_percent:.2f} %, {record.seconds:.1f} s"
            )
            reported = record.epoch
            trial.report(record.epoch, record.dev_per_percent, may_prune=record.epoch != num_epochs)

        def again(records: list[EpochRecord]) -> None:
            nonlocal reported
            for record in records[reported:]:
                trial.report(record.epoch, record.dev_per_percent, may_prune=False)
                reported = record.epoch

        try:
            result: TrainingResult = train(
                self._data.train,
                self._data.dev,
                folder,
                settings,
                device=self._device,
                after_epoch=report,
                stop=trial.should_stop,
                num_data_workers=self._plan.num_data_workers,
            )
        except TrainingInterrupted as left:
            raise HandBack(str(left)) from None
        again(result.records)
        return result.records[result.best_epoch - 1].dev_per_percent
