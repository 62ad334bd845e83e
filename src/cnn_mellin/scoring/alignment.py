"""Alignment of a hypothesis with its reference."""

from __future__ import annotations

from collections.abc import Sequence

import kaldialign

__all__ = ["align", "align_with_optional"]

_NOTHING = "\0"


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Pairs of reference and hypothesis symbols with the fewest errors, split as sclite splits them.

    A pair with None on the left is an insertion, on the right a deletion.

    >>> align(["a", "b", "c"], ["a", "c", "d"])
    [('a', 'a'), ('b', None), ('c', 'c'), (None, 'd')]
    """
    pairs = kaldialign.align(list(reference), list(hypothesis), _NOTHING)
    return [(None if r == _NOTHING else r, None if h == _NOTHING else h) for r, h in pairs]


def align_with_optional(
    reference: Sequence[str], hypothesis: Sequence[str], optional: str
) -> list[tuple[str | None, str | None]]:
    """As `align`, but a reference symbol `optional` that is missing from the hypothesis is no error.

    Such symbols are still aligned where they are there, and left out of the result where they are not.

    >>> align_with_optional(["sil", "a"], ["a", "sil"], "sil")
    [('a', 'a'), (None, 'sil')]
    """
    # costs[i][j]: fewest errors between the first i of the reference and the first j of the hypothesis
    costs = [list(range(len(hypothesis) + 1))]
    for symbol in reference:
        missing = 0 if symbol == optional else 1
        above, row = costs[-1], [costs[-1][0] + missing]
        for j, other in enumerate(hypothesis):
            row.append(min(above[j] + (symbol != other), above[j + 1] + missing, row[j] + 1))
        costs.append(row)
    pairs: list[tuple[str | None, str | None]] = []
    i, j = len(reference), len(hypothesis)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (reference[i - 1] != hypothesis[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
        elif i and costs[i][j] == costs[i - 1][j] + (reference[i - 1] != optional):
            i -= 1
            if reference[i] != optional:
                pairs.append((reference[i], None))
        else:
            j -= 1
            pairs.append((None, hypothesis[j]))
    return pairs[::-1]
