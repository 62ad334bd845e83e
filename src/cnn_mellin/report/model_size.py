"""Sizes of models."""

from __future__ import annotations

import torch

from cnn_mellin.models.layer_plan import plan_layers
from cnn_mellin.training.model_folder import ModelDescription, build_model

__all__ = ["model_size"]


def model_size(description: ModelDescription) -> tuple[int, int]:
    """Number of weights of a model, and of those that can learn; nothing is allocated.

    Args:
        description: description of the model.
    """
    with torch.device("meta"):
        weights = sum(parameter.numel() for parameter in build_model(description).parameters())
    layers = plan_layers(description.num_features, description.as_settings().model)
    dead = sum(
        layer.out_channels * (1 + layer.in_channels * layer.kernel[0] * layer.kernel[1]) - layer.num_live_weights
        for layer in layers
    )
    return weights, weights - dead
