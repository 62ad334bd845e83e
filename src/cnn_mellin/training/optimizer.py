"""The optimizer of a training."""

from __future__ import annotations

from typing import Any

import torch

from cnn_mellin.config import Settings
from cnn_mellin.models import AcousticModel

__all__ = ["make_optimizer"]


# Settings of how an update is computed, which belong to the device, not to the training.
_OF_THE_DEVICE = ("capturable", "foreach", "fused")


def make_optimizer(model: AcousticModel, settings: Settings) -> torch.optim.Optimizer:
    """Make the optimizer that the settings name, for a model's weights.

    On accelerators, all of its state is on the device, so that a step can be left out without asking the CPU. A state
    that was saved on another device can be loaded.
    """
    learning_rate = settings.training.learning_rate
    kind = next(model.parameters()).device.type
    on_device = kind not in ("cpu", "mps")
    optimizer: torch.optim.Optimizer
    if settings.training.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, fused=True if on_device else None)
    elif settings.training.optimizer == "rms":
        optimizer = torch.optim.RMSprop(model.parameters(), lr=learning_rate, capturable=on_device)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=kind == "cpu" or on_device)
    optimizer.register_load_state_dict_pre_hook(_keep_device_settings)
    return optimizer


def _keep_device_settings(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A state to load, with the settings of the optimizer's own device."""
    groups = [
        {**loaded, **{name: own[name] for name in _OF_THE_DEVICE if name in own}}
        for own, loaded in zip(optimizer.param_groups, state["param_groups"], strict=True)
    ]
    return {**state, "param_groups": groups}
