"""The acoustic model and its plan of layer sizes."""

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.models.acoustic_model import AcousticModel

__all__ = ["AcousticModel", "AcousticModelConfig"]
