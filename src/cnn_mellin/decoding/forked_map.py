"""A function of several items, shared with processes that are forked from this one and kept."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, TypeVar

__all__ = ["forked_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def forked_map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """The results of a function, in the order of the items.

    The first call forks a process for each item but the last, which is computed here. They are kept for later calls,
    since a fork takes longer than many a search, and end with this process. An item whose process fails is computed
    here, so that errors are raised here. Where forks are not safe (anywhere but on Linux), and for a second thread at
    the same time, all are computed here, one after another.

    Args:
        function: of one item, found by its name in its module; in the processes it may use neither torch's threads nor
            a GPU.
        items: one a process; they and the results are pickled, but arrays in the items are shared, read-only.

    >>> forked_map(len, ["one", "seven", "two"])
    [3, 5, 3]
    """
    if sys.platform != "linux" or len(items) < 2:
        return [function(item) for item in items]
    pool = _own_pool()
    if not pool.lock.acquire(blocking=False):
        return [function(item) for item in items]
    try:
        return pool.map(function, items)
    finally:
        pool.lock.release()


@dataclass(frozen=True)
class _Process:
    """A process that waits for items.

    Args:
        number: of the process.
        connection: to it.
        area: a file in memory that arrays are written to, since the connection takes several times as long.
    """

    number: int
    connection: Connection
    area: int

    def send(self, message: object) -> None:
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        with open(self.area, "r+b", closefd=False) as file:
            file.seek(0)
            sizes = [file.write(buffer.raw()) for buffer in buffers]
            file.truncate()
        self.connection.send((head, sizes))

    def end(self) -> None:
        self.connection.close()
        os.close(self.area)
        with suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.number, 0)


class _Pool:
    """Processes, and the one that forked them."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self._kept: list[_Process] = []

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """As `forked_map`."""
        with suppress(OSError):  # too many processes or files: those there are do what they can
            while len(self._kept) < len(items) - 1:
                self._kept.append(_fork())
        asked = self._kept[: len(items) - 1]
        failed = []
        answers: list[tuple[Result] | None] = []
        try:
            for process, item in zip(asked, items, strict=False):
                with suppress(BrokenPipeError, ConnectionResetError):  # it died: no answer will come
                    process.send((function, item))
            here = [function(item) for item in items[len(asked) :]]
            for process in asked:
                try:
                    answers.append(process.connection.recv())
                except (EOFError, ConnectionResetError):
                    failed.append(process)
                    answers.append(None)
        except BaseException:  # answers that nobody waits for may still come
            failed = list(self._kept)
            raise
        finally:
            for process in failed:
                self._kept.remove(process)
                process.end()
        there = (function(i) if answer is None else answer[0] for i, answer in zip(items, answers, strict=False))
        return [*there, *here]


_pool: _Pool | None = None


def _own_pool() -> _Pool:
    """The pool of this process; one that forked away from its owner begins with none."""
    global _pool
    if _pool is None or _pool.owner != os.getpid():
        _pool = _Pool()
    return _pool


def _fork() -> _Process:
    area = os.memfd_create("cnn-mellin")
    ours, theirs = Pipe()
    try:
        with warnings.catch_warnings():
            # threads of this process do not live on in the new one, which needs none of them
            warnings.simplefilter("ignore", DeprecationWarning)
            number = os.fork()
    except OSError:
        os.close(area)
        raise
    if number:
        theirs.close()
        return _Process(number, ours, area)
    try:
        _serve(theirs, area)
    finally:
        os._exit(0)


def _serve(connection: Connection, area: int) -> None:
    """Compute what comes, until the other side is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's interrupt is for the process that waits for us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # files, locks and other processes' connections stay open as long as anyone has them
    first, second = sorted((connection.fileno(), area))
    for start, stop in ((3, first), (first + 1, second), (second + 1, os.sysconf("SC_OPEN_MAX"))):
        os.closerange(start, stop)
    while True:
        answer: tuple[Any] | None = None
        head, sizes = connection.recv()
        with suppress(Exception):
            function, item = pickle.loads(head, buffers=_buffers(area, sizes))
            answer = (function(item),)
        connection.send(answer)


def _buffers(area: int, sizes: Sequence[int]) -> list[memoryview]:
    """What lies one after another in a file."""
    if not any(sizes):
        return [memoryview(b"") for _ in sizes]
    content = memoryview(mmap.mmap(area, 0, access=mmap.ACCESS_READ))
    ends = list(accumulate(sizes))
    return [content[end - size : end] for size, end in zip(sizes, ends, strict=True)]
