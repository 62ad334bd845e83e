"""The description of a training, which another training in the same folder must share."""

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

__all__ = ["OtherTrainingError", "describe_training"]


class OtherTrainingError(SettingsError):
    """The model folder holds a training with other settings or data."""

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
    """The description of a new training, or of the one in the folder, which must be the same."""
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
    """Mean magnitude of each coefficient, in float64 and in the order of the frames; known where data are the same."""
    if old is not None and old.scale and old.train == partition.digest:
        return old.scale
    total = np.zeros(partition.num_coefficients)
    for i in range(len(partition)):
        total += np.abs(partition.features_of(i)).sum(0, dtype=np.float64)
    mean = total / max(int(partition.num_frames.sum()), 1)
    return np.where(mean > 0, mean, 1.0).astype(np.float32).tolist()
