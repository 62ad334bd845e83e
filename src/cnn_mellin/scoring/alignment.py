"""Alignment of a hypothesis with its reference, step for step as NIST's sclite aligns them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["align"]

# sclite's weights. They make one substitution cheaper than an insertion and a deletion, but two of each kind cheaper
# than three substitutions, so that its total can lie above the edit distance where little is right.
_SUBSTITUTION = 4
_INSERTION = 3
_DELETION = 3
_OPTIONAL_DELETION = 2


def align(
    reference: Sequence[str], hypothesis: Sequence[str], *, optional: str | None = None
) -> list[tuple[str | None, str | None]]:
    """Pairs of reference and hypothesis symbols.

    A pair with None on the left is an insertion, on the right a deletion. Among alignments of equal weight the one is
    taken that, from the end, pairs two symbols rather than inserting, and inserts rather than deleting: sclite's.

    Args:
        reference: R symbols.
        hypothesis: H symbols.
        optional: a symbol whose deletion weighs less (sclite's `-D`); that such a deletion is no error is for the
            caller to know.

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
    """Lowest weight of aligning the first i symbols of the reference with the first j of the hypothesis, [i][j]."""
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
