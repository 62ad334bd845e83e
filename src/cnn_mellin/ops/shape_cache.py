"""Cache for results that depend only on shapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

__all__ = ["cached_by_shape"]

_MOST_RESULTS = 4096

P = ParamSpec("P")
R = TypeVar("R")


def cached_by_shape(function: Callable[P, R]) -> Callable[P, R]:
    """Cache the results of a function of hashable arguments, and drop the oldest when there are very many.

    Replaces functools.lru_cache, of which torch.compile warns. Nothing is cached while torch compiles: the content of
    the cache would become a guard of the compiled program, which would then serve a single call.

    >>> calls = []
    >>> square = cached_by_shape(lambda x: calls.append(x) or x * x)
    >>> square(3), square(3), calls
    (9, 9, [3])
    """
    known: dict[tuple[object, ...], R] = {}

    @wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        if torch.compiler.is_compiling():
            return function(*args, **kwargs)
        key = (*args, *kwargs.items())
        if key not in known:
            while len(known) >= _MOST_RESULTS:
                known.pop(next(iter(known)), None)
            known[key] = function(*args, **kwargs)
        return known[key]

    return remembered
