"""The folder of a trained model: its description, settings and checkpoints."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_mellin import __version__
from cnn_mellin.atomic import atomic_file
from cnn_mellin.best_epochs import BestEpochs
from cnn_mellin.config import Settings, format_settings
from cnn_mellin.errors import DataError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.configuration import FEATURE_TYPES
from cnn_mellin.formats.text_file import read_json, read_text
from cnn_mellin.models import AcousticModel
from cnn_mellin.training.checkpoint import CheckpointStore
from cnn_mellin.training.history import read_history
from cnn_mellin.training.packed_weights import is_packed, load_packed_weights, snapshot_folder
from cnn_mellin.training.weight_average import mean_weights

__all__ = [
    "ModelDescription",
    "build_model",
    "checkpoint_store",
    "feature_extractor",
    "load_model",
    "read_description",
]

FORMAT = 1


@dataclass(frozen=True)
class ModelDescription:
    """Content of `model.json`: everything that determines the result of a training.

    Args:
        settings: section -> setting -> value.
        seed: seed of the order of utterances, augmentation and dropout; random if the settings leave it unset.
        num_features: number of coefficients per frame.
        feature_type: name of the feature configuration.
        frame_shift_ms: time from one frame to the next, or None if unknown.
        symbols: symbol of each class, without the blank, which is the last class.
        train, dev: digests of the partitions; `dev` is None without a dev partition.
        scale: mean magnitude of each coefficient, which features are divided by; empty if they are not scaled.
        versions: versions of the packages that train the model.
        feature_configuration: complete configuration of the features, empty for raw audio; None if the data do not
            include it.
    """

    settings: dict[str, dict[str, Any]]
    seed: int
    num_features: int
    feature_type: str
    frame_shift_ms: float | None
    symbols: list[str]
    train: str
    dev: str | None
    scale: list[float] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    feature_configuration: dict[str, Any] | None = None

    def as_settings(self) -> Settings:
        """The settings as dataclasses."""
        return Settings().updated(self.settings)

    def differences(self, other: ModelDescription) -> list[str]:
        """Differences that change the result of a training, each as `name: other, not this`.

        Settings that an earlier version did not know have their defaults, which change nothing.
        """
        mine, theirs = (_flat(asdict(one) | {"settings": one.as_settings().as_dict()}) for one in (self, other))
        # Features that differ have another digest of the training data.
        irrelevant = (
            "versions.",
            "feature_configuration",
            "settings.training.keep_last_and_best_only",
            "settings.training.tracker",
        )
        names = [name for name in mine | theirs if not name.startswith(irrelevant)]
        return [
            f"{name.removeprefix('settings.')}: {_shown(theirs.get(name))}, not {_shown(mine.get(name))}"
            for name in names
            if mine.get(name) != theirs.get(name)
        ]


def current_versions() -> dict[str, str]:
    """Versions that a result depends on."""
    return {
        "cnn_mellin": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def write_description(folder: Path, description: ModelDescription) -> None:
    """Write `model.json`, and the settings as `settings.ini`, for people to read and reuse.

    Raises:
        DataError: the folder holds a `settings.ini` with other content.
    """
    settings, text = folder / "settings.ini", format_settings(description.as_settings())
    if settings.exists() and read_text(settings) != text:
        raise DataError(f"{settings}: was not written by this training, which would overwrite it; name another folder")
    with atomic_file(folder / "model.json") as file:
        json.dump({"format": FORMAT, **asdict(description)}, file, indent=1)
    with atomic_file(settings) as file:
        file.write(text)


def read_description(folder: str | Path) -> ModelDescription:
    """Read the description of the model in a folder.

    Args:
        folder: folder of a trained or packed model, or of a model in the cache of Hugging Face's hub.

    Raises:
        DataError: the folder is not a model folder, or `model.json` is damaged.
    """
    path = snapshot_folder(folder) / "model.json"
    if not path.is_file():
        raise DataError(f"{folder}: is not a model folder (it has no model.json); name one that a training wrote")
    content = read_json(path, expected="the description of a trained model")
    if content.pop("format", None) != FORMAT:
        raise DataError(f"{path}: its format is not {FORMAT}; train the model again")
    try:
        description = ModelDescription(**content)
        fault = _fault(description)
    except TypeError as error:
        fault = str(error)
    if fault is not None:
        raise DataError(f"{path}: is damaged ({fault}); restore it, or train the model again")
    # The model was trained with the defaults of settings that were added later.
    settings = Settings().updated(description.settings, str(path)).as_dict()
    return replace(description, settings=settings)


def _fault(description: ModelDescription) -> str | None:
    """Fault of a description that was read, as a phrase, or None."""
    rules: dict[str, Callable[[Any], bool]] = {
        "settings": lambda value: isinstance(value, dict),
        "seed": _is_whole,
        "num_features": lambda value: _is_whole(value) and value >= 1,
        "feature_type": lambda value: isinstance(value, str),
        "frame_shift_ms": lambda value: value is None or _is_number(value),
        "symbols": lambda value: isinstance(value, list) and all(isinstance(symbol, str) for symbol in value),
        "train": lambda value: isinstance(value, str),
        "dev": lambda value: value is None or isinstance(value, str),
        "scale": lambda value: isinstance(value, list) and all(map(_is_number, value)),
        "versions": lambda value: isinstance(value, dict),
        "feature_configuration": lambda value: value is None or isinstance(value, dict),
    }
    for name, holds in rules.items():
        value = getattr(description, name)
        if not holds(value):
            return f"{name} is {_shown(value)}"
    if description.scale and len(description.scale) != description.num_features:
        return f"scale has {len(description.scale)} values for {description.num_features} features"
    return None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def build_model(description: ModelDescription) -> AcousticModel:
    """Build the model of a description, with its initial weights."""
    scale = torch.tensor(description.scale) if description.scale else None
    return new_model(description.as_settings(), description.num_features, len(description.symbols), scale)


def new_model(
    settings: Settings, num_features: int, num_symbols: int, feature_scale: torch.Tensor | None = None
) -> AcousticModel:
    """Build the model of some settings, with its initial weights.

    Args:
        settings: settings; those of the model, of dropout and of intermediate CTC are used.
        num_features: number of coefficients per frame.
        num_symbols: number of symbols of the corpus, without the blank.
        feature_scale: (num_features,), divisor of each coefficient; see `AcousticModel`.
    """
    return AcousticModel(
        num_features,
        num_symbols + 1,
        settings.model,
        dropout_prob=settings.training.dropout_prob,
        convolutional_dropout_2d=settings.training.convolutional_dropout_2d,
        intermediate_output=settings.training.intermediate_ctc_weight > 0,
        feature_scale=feature_scale,
    )


def feature_extractor(folder: str | Path, description: ModelDescription) -> FeatureExtractor:
    """Extractor of the features that a model was trained on.

    Args:
        folder: model folder, named in messages.
        description: description of the model.

    Raises:
        DataError: the description does not determine the features, or they have another number of coefficients.
    """
    content, feature_type = description.feature_configuration, description.feature_type
    if content:
        extractor = FeatureExtractor.from_config(content, f"{folder}: features")
    elif feature_type in FEATURE_TYPES:
        extractor = FeatureExtractor.named(feature_type)
    else:
        named = feature_type or "without a name"
        raise DataError(f"{folder}: does not say how its features ({named}) were computed; pass their JSON file")
    if extractor.num_coefficients != description.num_features:
        found = f"{feature_type} has {extractor.num_coefficients} coefficients per frame"
        raise DataError(f"{folder}: was trained on {description.num_features}, but {found}; pass its JSON file")
    return extractor


def checkpoint_store(folder: str | Path, description: ModelDescription) -> CheckpointStore:
    """Open the checkpoints of a model folder."""
    training = description.as_settings().training
    return CheckpointStore(Path(folder), training.saved_model_fmt, training.saved_optimizer_fmt)


def load_model(
    folder: str | Path, *, epoch: int | BestEpochs | None = None, device: torch.device | str = "cpu"
) -> tuple[AcousticModel, ModelDescription]:
    """Load a trained model, in evaluation mode.

    Args:
        folder: folder of a trained or packed model, or of a model in the cache of Hugging Face's hub.
        epoch: number of the epoch whose weights are loaded, by default the best; 0 makes the initial weights again,
            for which the settings must have a seed; `BestEpochs` loads the mean of their weights.
        device: device that the model is moved to.

    Returns:
        the model and its description.

    Raises:
        DataError: the folder is not a model folder, or a checkpoint is missing or damaged.
    """
    folder = snapshot_folder(folder)
    description = read_description(folder)
    model = build_model(description)
    if epoch == 0:
        if description.as_settings().model.seed is None:
            raise DataError(
                f"{folder}: its settings have no [model] seed, so that its initial weights cannot be made again"
            )
    else:
        if not is_packed(folder):
            store = checkpoint_store(folder, description)
            weights = _mean_of(folder, store, epoch) if isinstance(epoch, BestEpochs) else store.load_model(epoch)
        elif epoch is None:
            weights = load_packed_weights(folder)
        else:
            raise DataError(f"epoch {epoch}: {folder} is packed, with the weights of one epoch only; leave it out")
        try:
            model.load_state_dict(weights)
        except (RuntimeError, TypeError):
            raise DataError(
                f"{folder}: the weights do not fit the settings in model.json; restore it, or train the model again"
            ) from None
    return model.to(device).eval(), description


def _mean_of(folder: Path, store: CheckpointStore, epochs: BestEpochs) -> dict[str, torch.Tensor]:
    """Mean of the weights after the best epochs."""
    try:
        chosen = epochs.of([record.value for record in read_history(folder / "history.csv")])
    except ValueError as error:
        raise DataError(f"{folder}: {error}") from None
    missing = sorted(set(chosen) - set(store.epochs))
    if missing:
        names = ", ".join(map(str, missing))
        raise DataError(
            f"{folder}: {epochs}: the weights of epoch {names} are not kept; train with [training] "
            "keep_last_and_best_only = False"
        )
    return mean_weights(map(store.load_model, chosen))


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _shown(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 60 else text[:60] + "..."
