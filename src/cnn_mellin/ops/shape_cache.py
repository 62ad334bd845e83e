"""A cache for what follows from shapes alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["cached_by_shape"]

P = ParamSpec("P")
R = TypeVar("R")


def cached_by_shape(function: Callable[P, R]) -> Callable[P, R]:
    """Remember every result of a function of hashable arguments.

    As functools.lru_cache without a limit, but torch.compile looks into it, where it warns of the other.

    >>> calls = []
    >>> square = cached_by_shape(lambda x: calls.append(x) or x * x)
    >>> square(3), square(3), calls
    (9, 9, [3])
    """
    known: dict[tuple[object, ...], R] = {}

    @wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        key = (*args, *kwargs.items())
        if key not in known:
            known[key] = function(*args, **kwargs)
        return known[key]

    return remembered
