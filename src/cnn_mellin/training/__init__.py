"""Training: one epoch, the loop, checkpoints, history."""

from cnn_mellin.training.loop import TrainingResult, train
from cnn_mellin.training.model_folder import load_model

__all__ = ["TrainingResult", "load_model", "train"]
