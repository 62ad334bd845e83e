"""Holm's correction for multiple tests."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the family-wise error rate (Holm, 1979); the order is kept.

    Raises:
        ValueError: a p-value lies outside 0..1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    for i, p in enumerate(p_values):
        if not 0 <= p <= 1:
            raise ValueError(f"p_values[{i}] is {p}; it must lie in 0..1")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min((len(p_values) - rank) * p_values[i], 1.0))
        adjusted[i] = highest
    return adjusted
