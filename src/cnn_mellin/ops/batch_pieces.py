"""Pieces of a batch whose temporaries fit the caches of a CPU."""

from __future__ import annotations

__all__ = ["piece_lengths"]

# Numbers in the largest temporary of a piece: 2 MB of float32. With more, glibc returns the memory to the system after
# every piece, and the next piece gets it zeroed again; with fewer, calls take longer than what they compute.
_NUMBERS_PER_PIECE = 2**19


def piece_lengths(number: int, size: int) -> list[int]:
    """Number of signals in each piece of a batch; pieces differ by at most one.

    Args:
        number: signals in the batch.
        size: numbers per signal in the largest temporary.

    >>> piece_lengths(10, 200_000)
    [2, 2, 2, 2, 2]
    >>> piece_lengths(5, 200_000), piece_lengths(2, 10**9)
    ([2, 2, 1], [1, 1])
    """
    most = max(_NUMBERS_PER_PIECE // max(size, 1), 1)
    pieces = -(-number // most)
    return [number // pieces + (piece < number % pieces) for piece in range(pieces)]
