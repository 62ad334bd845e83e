"""A parallel map that never runs far ahead of its consumer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

__all__ = ["bounded_map"]

T = TypeVar("T")
R = TypeVar("R")


def bounded_map(pool: Executor, function: Callable[[T], R], arguments: Iterable[T], ahead: int) -> Iterator[R]:
    """Apply a function to arguments in a pool; yield the results in order.

    Args:
        pool: executor that runs the calls.
        function: function of one argument.
        arguments: arguments, consumed as the results are taken.
        ahead: maximum number of calls that are submitted but not yet yielded.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(bounded_map(pool, abs, [-1, 2, -3], ahead=2))
    [1, 2, 3]
    """
    waiting: deque[Future[R]] = deque()
    try:
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
