"""The description of a training; only a training with the same description resumes in its folder."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnn_mellin.config import Settings
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.symbols import class_of_end
from cnn_mellin.training.model_folder import ModelDescription, current_versions, read_description, write_description
from cnn_mellin.training.packed_weights import is_packed

__all__ = ["OtherTrainingError", "describe_training"]

_UTTERANCES_AT_ONCE = 4096


class OtherTrainingError(SettingsError):
    """The model folder holds a training with other settings or data.

    Args:
        folder: model folder.
        differences: each difference, as a phrase.
    """

    def __init__(self, folder: Path, differences: Sequence[str]) -> None:
        self.differences = "; ".join(differences)
        super().__init__(
            f"{folder}: holds a training with other settings or data ({self.differences}); "
            "name another folder, or delete this one"
        )


def describe_training(
    model_dir: Path,
    settings: Settings,
    training_data: UtteranceData,
    dev_data: UtteranceData | None,
    symbols: list[str],
) -> ModelDescription:
    """Describe a training; one that the folder already holds must have the same description.

    A new description is written to the folder.

    Args:
        model_dir: existing folder.
        settings: settings of the training.
        training_data, dev_data: partitions; `dev_data` may be None.
        symbols: symbol of each class, without the blank.

    Raises:
        OtherTrainingError: the folder holds a training with other settings or data.
        SettingsError: `sos` or `eos` is not a symbol.
        DataError: the description in the folder is damaged, or its `settings.ini` belongs to something else.
    """
    if is_packed(model_dir):
        raise OtherTrainingError(model_dir, ["it is packed, and has no checkpoints"])
    old = read_description(model_dir) if (model_dir / "model.json").exists() else None
    seed = settings.training.seed
    if seed is None:
        seed = secrets.randbits(32) if old is None else old.seed
    for name in (settings.data.sos, settings.data.eos):
        class_of_end(name, symbols)
    scale = _scale(training_data, old) if settings.data.scale_features else []
    new = ModelDescription(
        settings.as_dict(),
        seed,
        training_data.num_coefficients,
        training_data.description.feature_type,
        training_data.description.frame_shift_ms,
        symbols,
        training_data.digest,
        None if dev_data is None else dev_data.digest,
        scale,
        current_versions(),
        training_data.description.source.get("configuration"),
    )
    differences = [] if old is None else old.differences(new)
    if differences:
        raise OtherTrainingError(model_dir, differences)
    if old is None or not (model_dir / "settings.ini").exists():
        write_description(model_dir, old or new)
    return old or new


def _scale(partition: UtteranceData, old: ModelDescription | None) -> list[float]:
    """Mean magnitude of each coefficient; taken from an old description of the same data.

    Sums run in float64, in the order of the frames, so that they are the same on every machine.
    """
    if old is not None and old.scale and old.train == partition.digest:
        return old.scale
    total = np.zeros((1, partition.num_coefficients))
    for first in range(0, len(partition), _UTTERANCES_AT_ONCE):
        rows = np.arange(first, min(first + _UTTERANCES_AT_ONCE, len(partition)))
        total = np.add.accumulate(np.concatenate([total, partition.magnitude_sums(rows)]))[-1:]
    mean = total[0] / max(int(partition.num_frames.sum()), 1)
    scale: list[float] = np.where(mean > 0, mean, 1.0).astype(np.float32).tolist()
    return scale
