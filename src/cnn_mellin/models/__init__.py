"""The acoustic model and its layer plan."""

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.models.acoustic_model import AcousticModel

__all__ = ["AcousticModel", "AcousticModelConfig"]
