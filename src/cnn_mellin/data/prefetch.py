"""Computation ahead of its consumer, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cnn_mellin.bounded_map import bounded_map

__all__ = ["prefetch"]

T = TypeVar("T")
R = TypeVar("R")


def prefetch(function: Callable[[T], R], arguments: Iterable[T], num_threads: int = 1) -> Iterator[R]:
    """Yield the results of `function` for each argument in order, computing up to `num_threads` + 1 of them ahead.

    An error in `function` is raised in place of its result. The threads end when the iterator is closed.

    Args:
        function: function whose results do not depend on the order of its calls.
        arguments: one argument per call.
        num_threads: number of threads that call it; with 0, it is called when its result is requested.

    >>> list(prefetch(lambda x: x + 1, [1, 2, 3]))
    [2, 3, 4]
    """
    if num_threads == 0:
        yield from map(function, arguments)
        return
    with ThreadPoolExecutor(num_threads, thread_name_prefix="prefetch") as pool:
        yield from bounded_map(pool, function, arguments, num_threads + 2)
