"""Digest of the content of a partition: ids, features and references."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ContentDigest"]


class ContentDigest:
    """SHA-256 digest of the utterances that are added.

    Args:
        num_coefficients: number of coefficients per frame.

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
            utterance_id: id of the utterance.
            num_frames: number of frames.
            features: bytes of the float32 features, in pieces of any size.
            references: (R, 3), class, first frame and end frame of each symbol.
        """
        shapes = (num_frames, self._num_coefficients), references.shape
        self._hash.update(repr((utterance_id, *shapes)).encode())
        for piece in features:
            self._hash.update(piece)
        self._hash.update(references.tobytes())

    def hexdigest(self) -> str:
        """Hexadecimal digest of all utterances added so far."""
        return self._hash.hexdigest()
