"""The digest of what a partition holds: its ids, features and references."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ContentDigest"]


class ContentDigest:
    """SHA-256 of utterances, one after the other.

    Args:
        num_coefficients: coefficients of each frame.

    >>> digest = ContentDigest(2)
    >>> digest.add("a", 1, [np.float32([1, 2]).data], np.zeros((0, 3), np.int64))
    >>> digest.hexdigest()[:12]
    '7e87b8bf9df5'
    """

    def __init__(self, num_coefficients: int) -> None:
        self._num_coefficients = num_coefficients
        self._hash = hashlib.sha256(repr(num_coefficients).encode())

    def add(
        self, utterance_id: str, num_frames: int, features: Iterable[bytes | memoryview], references: NDArray[np.int64]
    ) -> None:
        """Append an utterance.

        Args:
            utterance_id: its name.
            num_frames: frames that it has.
            features: the bytes of its frames, float32, in pieces of any size.
            references: (R, 3) of class, first frame, end frame.
        """
        shapes = (num_frames, self._num_coefficients), references.shape
        self._hash.update(repr((utterance_id, *shapes)).encode())
        for piece in features:
            self._hash.update(piece)
        self._hash.update(references.tobytes())

    def hexdigest(self) -> str:
        """The digest of all utterances so far."""
        return self._hash.hexdigest()
