"""Data for a trained model: a partition, or an extractor of features, that has its number of coefficients."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.data.audio_partition import holds_audio, read_audio
from cnn_mellin.data.tensor_files import open_partition
from cnn_mellin.data.utterance_data import UtteranceData, require_num_coefficients
from cnn_mellin.errors import SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.training.model_folder import ModelDescription, feature_extractor

__all__ = ["feature_extractor_of", "open_model_partition"]


def open_model_partition(path: str | Path, model_dir: str | Path, description: ModelDescription) -> UtteranceData:
    """Open a partition that a model is to read; from audio, the features that it was trained on are computed.

    Args:
        path: folder of the partition.
        model_dir: folder of the model, for the message.
        description: description of the model.

    Raises:
        DataError: the partition does not have the number of coefficients that the model was trained on.
    """
    partition: UtteranceData
    if holds_audio(path):
        partition = read_audio(path, feature_extractor(model_dir, description), description.feature_type)
    else:
        partition = open_partition(path)
    trained_on = f"{description.num_features} ({description.feature_type or 'features without a name'})"
    require_num_coefficients(partition, description.num_features, f"{model_dir} was trained on {trained_on}")
    return partition


def feature_extractor_of(
    model_dir: str | Path, description: ModelDescription, configuration: str | Path | None
) -> FeatureExtractor:
    """Extractor of the features that a model was trained on.

    Args:
        model_dir: folder of the model.
        description: description of the model.
        configuration: JSON file of `--features`; None for the features that the model folder names.

    Raises:
        SettingsError: the configuration does not have the number of coefficients that the model was trained on.
    """
    if configuration is None:
        return feature_extractor(model_dir, description)
    extractor = FeatureExtractor.from_json(configuration)
    if extractor.num_coefficients != description.num_features:
        raise SettingsError(
            f"--features {configuration}: has {extractor.num_coefficients} coefficients per frame, but {model_dir} was "
            f"trained on {description.num_features}"
        )
    return extractor
