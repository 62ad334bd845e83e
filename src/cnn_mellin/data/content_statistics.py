"""Statistics of the content of a partition, taken while it is written, so that a training need not read it for them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ContentStatistics", "StatisticsWriter", "count_adjacent_repeats", "magnitudes_of"]


@dataclass(frozen=True)
class ContentStatistics:
    """Statistics of the features and references of a partition.

    Args:
        classes: lowest and highest class of the references; None if they are all empty.
        adjacent_repeats: (U,), number of symbols of each reference that equal the symbol before them.
        magnitudes: (U, F), sum over the frames of each utterance of the absolute value of each coefficient.
    """

    classes: tuple[int, int] | None
    adjacent_repeats: NDArray[np.int32]
    magnitudes: NDArray[np.float64]


class StatisticsWriter:
    """Takes statistics utterance by utterance.

    Args:
        num_coefficients: number of coefficients per frame.

    >>> writer = StatisticsWriter(2)
    >>> writer.add(np.float32([[1, -2], [3, 4]]), np.array([[5, -1, -1], [5, -1, -1]]))
    >>> statistics = writer.taken()
    >>> statistics.classes, statistics.adjacent_repeats.tolist(), statistics.magnitudes.tolist()
    ((5, 5), [1], [[4.0, 6.0]])
    """

    def __init__(self, num_coefficients: int) -> None:
        self._num_coefficients = num_coefficients
        self._lowest, self._highest = np.inf, -np.inf
        self._magnitudes = array("d")
        self._repeats = array("i")

    def add(self, features: NDArray[np.float32], reference: NDArray[np.int64]) -> None:
        """Add an utterance.

        Args:
            features: (T, F).
            reference: (R, 3), class, first frame and end frame of each symbol.
        """
        self._magnitudes.frombytes(magnitudes_of(features).tobytes())
        self.add_reference(reference)

    def add_reference(self, reference: NDArray[np.int64]) -> None:
        """Add the reference (R, 3) of an utterance; then `magnitudes` lack it."""
        classes = reference[:, 0]
        if len(classes):
            self._lowest = min(self._lowest, int(classes.min()))
            self._highest = max(self._highest, int(classes.max()))
        self._repeats.append(int(np.count_nonzero(classes[1:] == classes[:-1])))

    def taken(self) -> ContentStatistics:
        """Statistics of the utterances added so far."""
        classes = (int(self._lowest), int(self._highest)) if self._highest > -np.inf else None
        magnitudes = np.array(self._magnitudes, np.float64).reshape(-1, self._num_coefficients)
        return ContentStatistics(classes, np.array(self._repeats, np.int32), magnitudes)


def magnitudes_of(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum over the frames (T, F) of an utterance of the absolute value of each coefficient, (F,)."""
    sums: NDArray[np.float64] = np.abs(features.astype(np.float32, copy=False)).sum(0, dtype=np.float64)
    return sums


def count_adjacent_repeats(classes: NDArray[np.integer[Any]], offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    """Number of symbols of each reference that equal the symbol before them.

    Args:
        classes: (R,), classes of all references, concatenated.
        offsets: (U + 1,), first symbol of each reference, and the total number of symbols.

    >>> count_adjacent_repeats(np.array([1, 1, 1, 2]), np.array([0, 2, 2, 4])).tolist()
    [1, 0, 0]
    """
    equal = np.zeros(len(classes) + 1, np.int32)
    equal[2:] = classes[1:] == classes[:-1]
    firsts = offsets[:-1][offsets[:-1] < len(classes)]
    equal[firsts + 1] = 0  # the first symbol of a reference repeats none
    sums = np.cumsum(equal, dtype=np.int64)
    counts: NDArray[np.int32] = (sums[offsets[1:]] - sums[offsets[:-1]]).astype(np.int32)
    return counts
