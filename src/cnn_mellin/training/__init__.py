"""Training of an acoustic model: epochs, checkpoints that resume, history, trained models."""

from cnn_mellin.best_epochs import BestEpochs
from cnn_mellin.training.loop import TrainingResult, train
from cnn_mellin.training.model_folder import load_model

__all__ = ["BestEpochs", "TrainingResult", "load_model", "train"]
