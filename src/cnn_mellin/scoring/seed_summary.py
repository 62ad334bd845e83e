"""Phone error rates of one system over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["SeedSummary"]


@dataclass(frozen=True)
class SeedSummary:
    """Summary of values, one a seed.

    Args:
        values: all of them, in percent, in the order of the seeds.
        mean: of them.
        sd: standard deviation with n - 1, or None where there is one seed.
        median, minimum, maximum: of them, sorted.

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
            ValueError: there is none.
        """
        if not values:
            raise ValueError("values are empty; a summary needs one seed or more")
        sd = statistics.stdev(values) if len(values) > 1 else None
        return cls(tuple(values), statistics.fmean(values), sd, statistics.median(values), min(values), max(values))
