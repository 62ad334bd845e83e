"""Maps a function over items in a persistent pool of forked worker processes."""

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
    """Apply a function to each item in parallel; returns the results in the order of the items.

    The first call forks one worker process per item, except for the last item, which the calling process computes. The
    workers are reused by later calls, since a fork can take longer than a search, and end with the calling process. If
    a worker fails, the calling process computes its item, so that errors are raised in the caller. On systems other
    than Linux, where forks are not safe, and for a second thread that calls at the same time, the calling process
    computes all items one after another.

    Args:
        function: function of one item, at the top level of its module; it must use neither torch's threads nor a GPU.
        items: items, one per process. Items and results are pickled; arrays in the items are shared, read-only.

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
    """Worker process, as its parent sees it.

    Args:
        pid: id of the process.
        connection: pipe to the process.
        area: descriptor of a file in memory for arrays, which is several times faster than the pipe.
    """

    pid: int
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
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class _Pool:
    """Worker processes, and the id of the process that forked them."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self._kept: list[_Process] = []

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Apply a function to each item, as `forked_map` does."""
        with suppress(OSError):  # too many processes or files: use the workers that could be forked
            while len(self._kept) < len(items) - 1:
                self._kept.append(_fork())
        asked = self._kept[: len(items) - 1]
        failed = []
        answers: list[tuple[Result] | None] = []
        try:
            for process, item in zip(asked, items, strict=False):
                with suppress(BrokenPipeError, ConnectionResetError):  # the worker has died and will not answer
                    process.send((function, item))
            here = [function(item) for item in items[len(asked) :]]
            for process in asked:
                try:
                    answers.append(process.connection.recv())
                except (EOFError, ConnectionResetError):
                    failed.append(process)
                    answers.append(None)
        except BaseException:  # a worker may still send an answer, which a later call must not take for its own
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
    """Pool of this process; a process forked from the owner of the pool gets a new one."""
    global _pool
    if _pool is None or _pool.owner != os.getpid():
        _pool = _Pool()
    return _pool


def _fork() -> _Process:
    area = os.memfd_create("cnn-mellin")
    ours, theirs = Pipe()
    try:
        with warnings.catch_warnings():
            # forking stops all other threads in the new process, which needs none of them
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
    except OSError:
        os.close(area)
        raise
    if pid:
        theirs.close()
        return _Process(pid, ours, area)
    try:
        _serve(theirs, area)
    finally:
        os._exit(0)


def _serve(connection: Connection, area: int) -> None:
    """Compute items in a worker process until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # close inherited files, locks and other workers' connections, which would otherwise stay open
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
    """Views of consecutive pieces of a file, given their sizes in bytes."""
    if not any(sizes):
        return [memoryview(b"") for _ in sizes]
    content = memoryview(mmap.mmap(area, 0, access=mmap.ACCESS_READ))
    ends = list(accumulate(sizes))
    return [content[end - size : end] for size, end in zip(sizes, ends, strict=True)]
