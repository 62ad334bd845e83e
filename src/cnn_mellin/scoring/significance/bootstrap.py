"""Bootstrap of the difference between two systems over speakers and seeds (Bisani and Ney, 2004)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

__all__ = ["BootstrapDifference", "bootstrap_difference"]


@dataclass(frozen=True)
class BootstrapDifference:
    """Difference of two phone error rates with its uncertainty.

    Args:
        difference: phone error rate of the second system minus that of the first, in percentage points; negative if the
            second is better.
        low, high: 95 % interval of the difference, from the percentiles of the replications; None with one speaker,
            whose errors say nothing about other speakers.
        standard_error: standard deviation of the replications; None with one speaker.
        probability_of_improvement: proportion of replications in which the second system is better, ties counted half;
            None with one speaker.
    """

    difference: float
    low: float | None
    high: float | None
    standard_error: float | None
    probability_of_improvement: float | None

    def __str__(self) -> str:
        """Difference and, with several speakers, its interval.

        >>> str(BootstrapDifference(-0.5, -1.25, 0.25, 0.3, 0.9))
        '-0.50 (-1.25 to +0.25)'
        >>> str(BootstrapDifference(2.0, None, None, None, None))
        '+2.00'
        """
        if self.low is None or self.high is None:
            return f"{self.difference:+.2f}"
        return f"{self.difference:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def bootstrap_difference(
    first: SpeakerErrors,
    second: SpeakerErrors,
    *,
    replications: int = 10000,
    seed: int = 0,
    paired_seeds: bool = False,
) -> BootstrapDifference:
    """Resample speakers (the same for both systems) and seeds with replacement.

    All utterances of a speaker are resampled together, since errors within a speaker are correlated (Peng and Liu,
    2019).

    Args:
        first, second: errors of both systems on the same references.
        replications: number of bootstrap replications.
        seed: seed of the random draws; equal seeds give equal results.
        paired_seeds: resample the same seeds for both systems, as trainings with the same seed share their randomness
            (order of the data, augmentation); otherwise seeds are resampled for each system separately.

    Raises:
        ValueError: the references differ, `replications` is below 1, or paired systems have different numbers of seeds.

    >>> first = SpeakerErrors(("a", "b"), np.array([10, 10]), np.array([[5, 4], [5, 6]]))
    >>> second = SpeakerErrors(("a", "b"), np.array([10, 10]), np.array([[1, 2]]))
    >>> bootstrap_difference(first, second).probability_of_improvement
    1.0
    """
    check_comparable(first, second)
    if replications < 1:
        raise ValueError(f"replications is {replications}; it must be at least 1")
    generator = np.random.default_rng(seed)
    num_speakers = len(first.speakers)
    if num_speakers < 2:
        return BootstrapDifference(second.percent - first.percent, None, None, None, None)
    # number of times each speaker is drawn, (replications, S)
    speakers = generator.multinomial(num_speakers, np.full(num_speakers, 1 / num_speakers), size=replications)
    num_phones = speakers @ first.num_phones
    if paired_seeds and len(first.errors) != len(second.errors):
        counts = f"{len(first.errors)} and {len(second.errors)}"
        raise ValueError(f"first and second have {counts} seeds; paired systems need the same number of seeds")
    rates: list[NDArray[np.float64]] = []
    for system in (first, second):
        num_seeds = len(system.errors)
        if not (rates and paired_seeds):
            seeds = generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=replications) / num_seeds
        rates.append(100.0 * (seeds @ system.errors * speakers).sum(axis=1) / np.maximum(num_phones, 1))
    differences = rates[1] - rates[0]
    low, high = np.percentile(differences, [2.5, 97.5])
    # ties: sums of the same errors in another order differ in their last bits
    better = np.where(np.abs(differences) < 1e-9, 0.5, differences < 0)
    return BootstrapDifference(
        difference=second.percent - first.percent,
        low=float(low),
        high=float(high),
        standard_error=float(differences.std()),
        probability_of_improvement=float(better.mean()),
    )
