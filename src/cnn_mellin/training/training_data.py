"""The partitions that a training reads."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from cnn_mellin.config import Settings
from cnn_mellin.data.audio_partition import open_features
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.ops.window_correlation import num_windows
from cnn_mellin.training.model_folder import ModelDescription
from cnn_mellin.utterance_names import name_utterances

__all__ = ["NO_END", "TrainingData", "log_not_emittable", "open_training_data"]

_log = logging.getLogger(__name__)

NO_END = (
    "[training] num_epochs is unset and early stopping is off, so training would never end; set one of them, or read "
    "settings that ship with the program, such as model/demo-mcorr.ini"
)


@dataclass(frozen=True)
class TrainingData:
    """Partitions of a training, and the symbols of their classes."""

    training: UtteranceData
    dev: UtteranceData | None
    symbols: list[str]

    @property
    def partitions(self) -> list[UtteranceData]:
        """Partitions in order: training and, if there is one, dev."""
        return [self.training] if self.dev is None else [self.training, self.dev]


def open_training_data(
    train_dir: str | Path | UtteranceData, dev_dir: str | Path | UtteranceData | None, settings: Settings
) -> TrainingData:
    """Open and check the partitions of a training, and check that it would end.

    Args:
        train_dir, dev_dir: partitions or their folders; None for no dev partition.
        settings: settings of model, training and data.

    Raises:
        SettingsError: the training would never end.
        DataError: a partition is damaged or empty, or does not fit the other.
    """
    training = _open(train_dir, settings)
    dev = None if dev_dir is None else _open(dev_dir, settings, training)
    data = TrainingData(training, dev, read_symbols(training.path.parent / "ext"))
    if settings.training.num_epochs is None and not settings.training.early_stopping_threshold:
        raise SettingsError(NO_END)
    for partition in data.partitions:
        partition.check_finite()
        partition.check_classes(len(data.symbols))
    return data


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


def log_not_emittable(partition: UtteranceData, description: ModelDescription) -> None:
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
