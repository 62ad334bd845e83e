"""A table of systems, each trained with several seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SystemResult", "seed_table"]


@dataclass(frozen=True)
class SystemResult:
    """Phone error rates of a system in percent.

    Args:
        name: of the system.
        seeds: of its trainings.
        percents: one a seed.
        untrained_percents: of the same models before training, one a seed.
    """

    name: str
    seeds: Sequence[int]
    percents: Sequence[float]
    untrained_percents: Sequence[float]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.percents)

    @property
    def sd(self) -> float:
        """Standard deviation over the seeds, with n - 1; NaN for one seed."""
        return statistics.stdev(self.percents) if len(self.percents) > 1 else float("nan")


def seed_table(systems: Sequence[SystemResult]) -> str:
    """Markdown: a row a system, with mean, sd, every seed, and the mean of the untrained models.

    >>> print(seed_table([SystemResult("lcorr", [1, 2], [20.0, 22.0], [99.0, 101.0])]))
    | model | mean PER % | sd | seed 1 | seed 2 | untrained |
    |-------|-----------:|---:|-------:|-------:|----------:|
    | lcorr |       21.0 | 1.4 |   20.0 |   22.0 |     100.0 |
    """
    seeds = systems[0].seeds
    header = ["model", "mean PER %", "sd", *(f"seed {seed}" for seed in seeds), "untrained"]
    width = max(len(header[0]), *(len(system.name) for system in systems))
    lines = ["| " + " | ".join([header[0].ljust(width), *header[1:]]) + " |"]
    lines.append("|" + "|".join(["-" * (width + 2), *("-" * (len(name) + 1) + ":" for name in header[1:])]) + "|")
    for system in systems:
        values = [system.mean, system.sd, *system.percents, statistics.fmean(system.untrained_percents)]
        cells = [f"{value:.1f}".rjust(len(name)) for value, name in zip(values, header[1:], strict=True)]
        lines.append("| " + " | ".join([system.name.ljust(width), *cells]) + " |")
    return "\n".join(lines)
