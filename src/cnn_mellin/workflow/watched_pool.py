"""Processes that end with the one that started them, even if that is killed."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.queues import Queue
from typing import Any

__all__ = ["watched_pool", "worker_queue"]

_queue: Queue[Any] | None = None


def watched_pool(num_workers: int, queue: Queue[Any] | None = None) -> ProcessPoolExecutor:
    """A pool of fresh processes of one thread each, which leave when their parent has gone.

    Args:
        num_workers: processes.
        queue: that workers find with `worker_queue`, to report on.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_begin, initargs=(queue,))


def worker_queue() -> Queue[Any]:
    """In a worker: the queue that its pool was made with."""
    assert _queue is not None
    return _queue


def _begin(queue: Queue[Any] | None) -> None:
    global _queue
    _queue = queue
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()
    import torch

    torch.set_num_threads(1)
