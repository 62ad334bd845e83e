"""Settings of model, training and data: checked dataclasses, read from and written to INI, JSON and YAML files."""

from cnn_mellin.config.data import DataConfig
from cnn_mellin.config.decoder_setting import DecoderSetting
from cnn_mellin.config.files import format_settings, read_settings
from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.config.settings import Settings
from cnn_mellin.config.training import TrainingConfig

__all__ = [
    "AcousticModelConfig",
    "DataConfig",
    "DecoderSetting",
    "Settings",
    "TrainingConfig",
    "format_settings",
    "read_settings",
]
