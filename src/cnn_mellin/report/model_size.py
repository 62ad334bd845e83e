"""Sizes of models."""

from __future__ import annotations

import torch

from cnn_mellin.models.layer_plan import plan_front_end
from cnn_mellin.training.model_folder import ModelDescription, build_model

__all__ = ["model_size"]


def model_size(description: ModelDescription) -> tuple[int, int]:
    """Number of weights with which a model recognises, and of those that can learn; nothing is allocated.

    The output layer of intermediate CTC, which is used in training only, is not counted.

    Args:
        description: description of the model.
    """
    with torch.device("meta"):
        model = build_model(description)
    model.intermediate_out = None
    weights = sum(parameter.numel() for parameter in model.parameters())
    plan = plan_front_end(description.num_features, description.as_settings().model)
    return weights, weights - plan.num_weights + plan.num_live_weights
