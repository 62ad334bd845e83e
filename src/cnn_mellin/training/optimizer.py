"""The optimizer of a training."""

from __future__ import annotations

import torch

from cnn_mellin.config import Settings
from cnn_mellin.models import AcousticModel

__all__ = ["make_optimizer"]


def make_optimizer(model: AcousticModel, settings: Settings) -> torch.optim.Optimizer:
    """Make the optimizer that the settings name, for a model's weights."""
    learning_rate = settings.training.learning_rate
    if settings.training.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=learning_rate)
    if settings.training.optimizer == "rms":
        return torch.optim.RMSprop(model.parameters(), lr=learning_rate)
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=fused)
