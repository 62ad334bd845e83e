"""Lock that allows one training at a time in a model folder."""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["FolderLock"]

_log = logging.getLogger(__name__)


class FolderLock:
    """Locks a model folder within a block, after waiting for a training that holds it.

    Args:
        folder: existing model folder.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / ".lock")
        self._folder = folder

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            _log.info("%s: another process trains here; waiting for it to end", self._folder)
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
