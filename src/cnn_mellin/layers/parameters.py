"""Checks of the options that all layers share for their parameters."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["check_parameter_options"]


def check_parameter_options(bias: Any, dtype: torch.dtype | None) -> None:
    """Raise a ValueError unless `bias` is a bool and parameters can have the dtype.

    >>> check_parameter_options(True, torch.float64)
    """
    if not isinstance(bias, bool):
        raise ValueError(f"bias is {bias!r}; it must be True or False")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"dtype is {dtype}; it must be floating-point or complex")
