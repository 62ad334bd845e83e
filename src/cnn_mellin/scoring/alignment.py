"""Alignment of a hypothesis with its reference, identical to that of NIST's sclite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["align"]

# sclite's weights. One substitution costs less than an insertion plus a deletion, but two insertions and two deletions
# cost no more than three substitutions, so that the number of errors can exceed the edit distance.
_SUBSTITUTION = 4
_INSERTION = 3
_DELETION = 3
_OPTIONAL_DELETION = 2


def align(
    reference: Sequence[str], hypothesis: Sequence[str], *, optional: str | None = None
) -> list[tuple[str | None, str | None]]:
    """Align two sequences; returns pairs of reference and hypothesis symbols.

    A pair with None on the left is an insertion, with None on the right a deletion. Among alignments of equal weight,
    this returns sclite's: read from the end, it prefers pairing two symbols to inserting, and inserting to deleting.

    Args:
        reference: R symbols.
        hypothesis: H symbols.
        optional: symbol whose deletion costs less (sclite's `-D`); the pairs still hold the deletion, and the caller
            decides that it is not an error.

    >>> align(["a", "b", "c"], ["a", "c", "d"])
    [('a', 'a'), ('b', None), ('c', 'c'), (None, 'd')]
    """
    weights = _weights(reference, hypothesis, optional)
    pairs: list[tuple[str | None, str | None]] = []
    i, j = len(reference), len(hypothesis)
    while i or j:
        if i and j and weights[i][j] == weights[i - 1][j - 1] + _SUBSTITUTION * (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif j and weights[i][j] == weights[i][j - 1] + _INSERTION:
            j -= 1
            pairs.append((None, hypothesis[j]))
        else:
            i -= 1
            pairs.append((reference[i], None))
    return pairs[::-1]


def _weights(reference: Sequence[str], hypothesis: Sequence[str], optional: str | None) -> list[list[int]]:
    """Lowest weight [i][j] of aligning the first i reference symbols with the first j hypothesis symbols."""
    number_of = {symbol: number for number, symbol in enumerate({*reference, *hypothesis})}
    recognised = np.array([number_of[symbol] for symbol in hypothesis], dtype=np.int64)
    inserted = _INSERTION * np.arange(len(hypothesis) + 1)
    table = np.empty((len(reference) + 1, len(hypothesis) + 1), dtype=np.int64)
    table[0] = inserted
    for i, symbol in enumerate(reference):
        row = table[i] + (_OPTIONAL_DELETION if symbol == optional else _DELETION)
        np.minimum(row[1:], table[i, :-1] + _SUBSTITUTION * (recognised != number_of[symbol]), out=row[1:])
        # insertions after this symbol: min over k <= j of row[k] + (j - k) insertions
        table[i + 1] = np.minimum.accumulate(row - inserted) + inserted
    rows: list[list[int]] = table.tolist()
    return rows
