"""A function of several items, each in a process of its own that is forked from this one."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["forked_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def forked_map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The results of a function, in the order of the items.

    A fork shares the arrays that the function reads instead of copying them, and starts in milliseconds; only results
    are pickled. The last item is computed here, and so is each whose process fails, so that errors are raised here.
    Where forks are not safe (anywhere but on Linux), all are computed here, one after another.

    Args:
        function: of one item; in the processes it may use neither torch's threads nor a GPU.
        items: one a process.

    >>> forked_map(lambda number: number**2, [2, 3, 4])
    [4, 9, 16]
    """
    if sys.platform != "linux" or len(items) < 2:
        return [function(item) for item in items]
    processes: list[tuple[int, int]] = []
    try:
        for item in items[:-1]:
            processes.append(_fork(function, item, [reading for _, reading in processes]))
        last = function(items[-1])
        results: list[tuple[Result] | None] = [_result(reading) for _, reading in processes]
    except BaseException:
        for process, _ in processes:
            if process:
                os.kill(process, signal.SIGKILL)
        raise
    finally:
        for process, reading in processes:
            os.close(reading)
            if process:
                os.waitpid(process, 0)
    missing = (function(item) if result is None else result[0] for item, result in zip(items, results, strict=False))
    return [*missing, last]


def _fork(function: Callable[[Item], Result], item: Item, inherited: Sequence[int]) -> tuple[int, int]:
    """Process (0 if there is none) and the pipe that its pickled result comes from, which stays empty if it fails."""
    reading, writing = os.pipe()
    process = -1
    with warnings.catch_warnings(), contextlib.suppress(OSError):
        # threads of this process do not live on in the new one, which needs none of them
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        os.close(writing)
        return max(process, 0), reading
    status = 1
    try:
        for other in (reading, *inherited):
            os.close(other)
        content = pickle.dumps((function(item),), pickle.HIGHEST_PROTOCOL)
        with open(writing, "wb") as pipe:
            pipe.write(len(content).to_bytes(8, "little") + content)
        status = 0
    finally:
        os._exit(status)


def _result(reading: int) -> tuple[Result] | None:
    """What a process computed, or None where it failed."""
    with open(reading, "rb", closefd=False) as pipe:
        size, content = pipe.read(8), pipe.read()
    if len(size) < 8 or len(content) != int.from_bytes(size, "little"):
        return None
    result: tuple[Result] = pickle.loads(content)
    return result
