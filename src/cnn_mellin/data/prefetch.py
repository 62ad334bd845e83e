"""Work done ahead of the one who waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

__all__ = ["prefetch"]

T = TypeVar("T")
R = TypeVar("R")


def prefetch(function: Callable[[T], R], arguments: Iterable[T], depth: int = 2) -> Iterator[R]:
    """Results of `function` for each argument in turn, made up to `depth` ahead by a thread.

    An error in the function is raised here, in its place; the thread ends when the iterator is closed.

    >>> list(prefetch(lambda x: x + 1, [1, 2, 3]))
    [2, 3, 4]
    """
    results: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()
    end = object()

    def put(item: tuple[Any, BaseException | None]) -> bool:
        while not closed.is_set():
            try:
                results.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for argument in arguments:
                if not put((function(argument), None)):
                    return
            put((end, None))
        except BaseException as error:  # noqa: BLE001 (raised again by the consumer)
            put((end, error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            result, error = results.get()
            if error is not None:
                raise error
            if result is end:
                return
            yield result
    finally:
        closed.set()
        thread.join()
