"""Parameters of layers: checks of their options, and reading of older state dicts."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["add_missing_axis", "check_parameter_options"]


def check_parameter_options(bias: Any, dtype: torch.dtype | None) -> None:
    """Raise a ValueError unless `bias` is a bool and parameters can have the dtype.

    >>> check_parameter_options(True, torch.float64)
    """
    if not isinstance(bias, bool):
        raise ValueError(f"bias is {bias!r}; it must be True or False")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"dtype is {dtype}; it must be floating-point or complex")


def add_missing_axis(state: dict[str, Any], name: str) -> bool:
    """Give an axis to a scalar in a state dict, as the earlier program for these experiments stored some parameters.

    Args:
        state: state dict, which is changed.
        name: key of the parameter, whose shape is (1,) here.

    Returns:
        True if it was a scalar.

    >>> state = {"log_eps": torch.tensor(0.5)}
    >>> add_missing_axis(state, "log_eps"), state["log_eps"].shape
    (True, torch.Size([1]))
    """
    value = state.get(name)
    if not isinstance(value, torch.Tensor) or value.dim() > 0:
        return False
    state[name] = value.reshape(1)
    return True
