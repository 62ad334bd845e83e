"""Summary of one system's phone error rates over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["SeedSummary"]


@dataclass(frozen=True)
class SeedSummary:
    """Phone error rates in percent, one per seed, and their summary statistics.

    Args:
        values: phone error rates in the order of the seeds.
        mean: mean over the seeds.
        sd: standard deviation (with n - 1), or None for a single seed.
        median, minimum, maximum: median, lowest and highest value.

    >>> summary = SeedSummary.of([20.0, 18.0, 19.0, 23.0])
    >>> summary.mean, summary.median, summary.minimum
    (20.0, 19.5, 18.0)
    """

    values: tuple[float, ...]
    mean: float
    sd: float | None
    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise values.

        Raises:
            ValueError: `values` is empty.
        """
        if not values:
            raise ValueError("values are empty; a summary needs at least one seed")
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(tuple(values), statistics.fmean(values), sd, statistics.median(values), min(values), max(values))
