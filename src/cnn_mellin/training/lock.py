"""One training at a time in a model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["FolderLock"]


class FolderLock:
    """Holds a model folder against a second training; waits for one that is running."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._lock = FileLock(folder / ".lock")
        self._folder, self._say = folder, say

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._say(f"{self._folder}: another process trains here; waiting for it to end")
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
