"""Pieces of a batch whose temporaries fit the caches of a CPU."""

from __future__ import annotations

__all__ = ["piece_lengths"]

# Numbers in the largest temporary of a piece: 2 MB of float32. With more, glibc gives the memory back to the system
# after every piece, and the next gets it zeroed anew; with fewer, calls take longer than what they compute.
_NUMBERS_A_PIECE = 2**19


def piece_lengths(number: int, size: int) -> list[int]:
    """How many signals of the batch belong to each piece, as even as can be.

    Args:
        number: signals.
        size: numbers a signal has in the largest temporary.

    >>> piece_lengths(10, 200_000)
    [2, 2, 2, 2, 2]
    >>> piece_lengths(5, 200_000), piece_lengths(2, 10**9)
    ([2, 2, 1], [1, 1])
    """
    most = max(_NUMBERS_A_PIECE // max(size, 1), 1)
    pieces = -(-number // most)
    return [number // pieces + (piece < number % pieces) for piece in range(pieces)]
