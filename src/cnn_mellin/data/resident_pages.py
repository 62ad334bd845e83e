"""Bound on the memory that reading a memory map adds to the process."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ResidentPages"]

_MOST_BYTES = 1 << 26


class ResidentPages:
    """Gives the pages of a memory map back to the system after every 64 MiB that are read through it.

    Pages of a file that a process has touched count as its memory until the system needs them, so that an epoch over a
    large corpus would seem to need all of it. The system keeps them in its cache of files, from which they come back.

    Args:
        values: memory-mapped array; with another array, nothing is done.

    >>> ResidentPages(np.zeros(3)).touch(24)
    """

    def __init__(self, values: NDArray[Any]) -> None:
        base = values.base
        while isinstance(base, np.ndarray):
            base = base.base
        self._map = base if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED") else None
        self._touched = 0

    def touch(self, num_bytes: int) -> None:
        """Note that this many bytes are about to be read; views that exist already stay valid."""
        if self._map is None:
            return
        self._touched += num_bytes
        if self._touched > _MOST_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)
