"""Trials that several processes train together: process 0 is the worker, and the others follow it.

Process 0 claims trials, reports to the study and decides about their end. Every other process waits for its next order,
and leaves a training when process 0 leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch

from cnn_mellin.compute_device import usable_device
from cnn_mellin.config.settings import Settings
from cnn_mellin.errors import OtherProcessError, ProcessLostError, UserError
from cnn_mellin.search.study_data import StudyData, open_study_data
from cnn_mellin.training.loop import train
from cnn_mellin.training.process_group import ProcessGroup

__all__ = ["SharedData", "follow_trials", "lead_trials", "train_together"]

T = TypeVar("T")


@dataclass(frozen=True)
class SharedData:
    """Order to open the data of a study.

    Args:
        place: folder of the partition.
        dev_proportion: proportion of its utterances to evaluate on.
        subset_ids: ids of the utterances to use; empty for all.
        audio_features: features to compute from a partition of audio; None for one of features.
        device: device to train on; each process takes its own.
        num_data_workers: number of threads that prepare batches.
    """

    place: str
    dev_proportion: float
    subset_ids: list[str]
    audio_features: str | None
    device: str
    num_data_workers: int

    def open(self, group: ProcessGroup) -> tuple[torch.device, StudyData]:
        """Open the data in this process; return its device and them."""
        device = usable_device(group.own_device(self.device))
        return device, open_study_data(self.place, self.dev_proportion, self.subset_ids, self.audio_features)


@dataclass(frozen=True)
class _Training:
    """Order to take part in a training: its folder, which only process 0 uses, and its settings."""

    folder: Path
    sections: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _End:
    """Order to end with the same result as process 0."""

    result: Any


def lead_trials(group: ProcessGroup, run: Callable[[], T]) -> T:
    """Run trials in process 0, and let the other processes go when it ends or fails.

    Args:
        group: the processes.
        run: orders the others to open a `SharedData` by `on_first` and opens it, then runs trials.
    """
    if group.size == 1:
        return run()
    try:
        result = run()
    except ProcessLostError:
        raise
    except Exception as error:
        _fail(group, error)
    group.on_first(lambda: _End(result))
    return result


def _fail(group: ProcessGroup, error: Exception) -> NoReturn:
    def fail() -> NoReturn:
        raise error

    group.on_first(fail)
    raise error


def follow_trials(group: ProcessGroup, stop: Callable[[], bool]) -> Any:
    """Take part in the trials of process 0 until it ends, and return its result.

    Args:
        group: the processes.
        stop: called after each update; if it returns true, all processes stop.

    Raises:
        OtherProcessError: process 0 has failed.
        ProcessLostError: another process has ended.
    """
    order: Any = group.on_first(lambda: None)
    if isinstance(order, _End):
        return order.result
    shared: SharedData = order
    device, data = group.together(lambda: shared.open(group))
    while True:
        order = group.on_first(lambda: None)
        if isinstance(order, _End):
            return order.result
        settings = Settings().updated(order.sections)
        try:
            train(
                data.train,
                data.dev,
                order.folder,
                settings,
                device=device,
                stop=stop,
                num_data_workers=shared.num_data_workers,
                group=group,
            )
        except ProcessLostError:
            raise
        except Exception:  # process 0 has been told, and decides about the trial
            continue


def train_together(group: ProcessGroup, folder: Path, settings: Settings, run: Callable[[], T]) -> T:
    """Order the other processes to take part in a training, and run it in process 0.

    Args:
        group: the processes.
        folder: folder of the training.
        settings: its settings.
        run: calls `train` with the folder, the settings and the group.

    Raises:
        UserError, RuntimeError: another process has failed.
    """
    if group.size == 1:
        return run()
    group.on_first(lambda: _Training(folder, settings.as_dict()))
    try:
        return run()
    except OtherProcessError as error:
        raise (UserError if error.is_user_error else RuntimeError)(str(error)) from None
