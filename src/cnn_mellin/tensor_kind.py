"""Checks on tensor arguments: a wrong dtype often computes without an error, and gives wrong numbers."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["require_floating", "require_tensor", "require_whole_numbers"]


def require_floating(name: str, value: Any, *, also_complex: bool = False) -> None:
    """Raise a ValueError unless an argument is a tensor of floating-point numbers.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.
        also_complex: also allow complex numbers.

    >>> require_floating("features", torch.zeros(2))
    """
    require_tensor(name, value)
    if not (value.is_floating_point() or (also_complex and value.is_complex())):
        allowed = "floating-point or complex" if also_complex else "floating-point"
        raise ValueError(f"{name} has dtype {value.dtype}; it must be {allowed}: convert it with {name}.float()")


def require_whole_numbers(name: str, value: Any) -> None:
    """Raise a ValueError unless an argument is a tensor of integers.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.

    >>> require_whole_numbers("lengths", torch.tensor([3]))
    """
    require_tensor(name, value)
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise ValueError(
            f"{name} has dtype {value.dtype}; it must hold integers: convert it with {name}.to(torch.int64)"
        )


def require_tensor(name: str, value: Any) -> None:
    """Raise a ValueError unless an argument is a tensor.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.

    >>> require_tensor("lengths", torch.tensor([3]))
    """
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{name} is a {type(value).__name__}; it must be a tensor: convert it with torch.as_tensor")
