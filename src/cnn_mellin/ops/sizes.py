"""Sizes as torch's layers take them: whole numbers of any type, or tuples of them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, cast

import numpy as np
import torch

__all__ = ["Size", "Sizes", "size_of", "sizes_of", "whole_number"]

# A size is a whole number of any library or a tuple of one; sizes of several axes are one number or a tuple.
Size = SupportsIndex | Sequence[SupportsIndex]
Sizes = SupportsIndex | Sequence[SupportsIndex]


def size_of(name: str, value: Any, least: int = 1) -> int:
    """Convert a size to an int.

    Args:
        name: name of the argument, for messages.
        value: whole number of any type, or a tuple or list of one.
        least: smallest value that is allowed.

    Raises:
        ValueError: the value is not a whole number (or a tuple of one), is a bool, or is too small.

    >>> import numpy as np
    >>> size_of("stride", np.int64(2)), size_of("stride", (2,))
    (2, 2)
    """
    if type(value) is not int:
        value = whole_number(name, value, least)
    if value < least:
        raise ValueError(f"{name} is {value}; it must be at least {least}")
    size: int = value
    return size


def sizes_of(name: str, value: Any, axes: tuple[str, ...], least: int = 1) -> tuple[int, ...]:
    """Convert the sizes of several axes, given as one number for all or as a tuple, to ints.

    Args:
        name: name of the argument, for messages.
        value: whole number, or a tuple or list with one per axis.
        axes: names of the axes, for messages.
        least: smallest value that is allowed.

    Raises:
        ValueError: the value is neither, or a size is too small.

    >>> sizes_of("padding", 2, ("left", "right"), 0), sizes_of("padding", [1, 0], ("left", "right"), 0)
    ((2, 2), (1, 0))
    """
    if not isinstance(value, (tuple, list)):  # not tuple | list, which torch 2.6 cannot compile
        return (size_of(name, value, least),) * len(axes)
    if len(value) == 1:
        return (size_of(name, value[0], least),) * len(axes)
    if len(value) != len(axes):
        raise ValueError(
            f"{name} is {tuple(value)}; it must be a whole number, or a tuple of {len(axes)}: ({', '.join(axes)})"
        )
    return tuple([size_of(name, size, least) for size in value])


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """Convert a whole number of any type, or a tuple or list of one, to an int.

    Args:
        name: name of the argument, for messages.
        value: value of the argument.
        least: smallest value that is allowed, only for the message.

    Raises:
        ValueError: the value is neither, or is a bool.

    >>> whole_number("dim", -1)
    -1
    """
    if isinstance(value, torch.SymInt):
        return cast("int", value)
    if isinstance(value, (tuple, list)):
        if len(value) != 1:
            raise ValueError(f"{name} is {tuple(value)}; it must be a whole number or a tuple of 1")
        return whole_number(name, value[0], least)
    try:
        if isinstance(value, (bool, np.bool_)) or (isinstance(value, torch.Tensor) and value.dtype == torch.bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        rule = "" if least is None else f", at least {least}"
        raise ValueError(f"{name} is {value!r}; it must be a whole number{rule}") from None
