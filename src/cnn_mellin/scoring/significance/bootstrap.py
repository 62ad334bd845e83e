"""Bootstrap of the difference between two systems (Bisani and Ney, 2004), over speakers and seeds together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

__all__ = ["BootstrapDifference", "bootstrap_difference"]


@dataclass(frozen=True)
class BootstrapDifference:
    """How sure a difference is.

    Args:
        difference: rate of the second less that of the first, in points of percent; negative: the second is better.
        low, high: 95 % interval of it, from the percentiles of the replications; None with one speaker, whose
            errors say nothing about another's.
        standard_error: standard deviation of the replications; None with one speaker.
        probability_of_improvement: share of replications in which the second is better, equal ones counted half; None
            with one speaker.
    """

    difference: float
    low: float | None
    high: float | None
    standard_error: float | None
    probability_of_improvement: float | None


def bootstrap_difference(
    first: SpeakerErrors,
    second: SpeakerErrors,
    *,
    replications: int = 10000,
    seed: int = 0,
    paired_seeds: bool = False,
) -> BootstrapDifference:
    """Draw speakers (the same for both systems) and seeds with replacement, many times.

    Speakers are drawn whole, since the errors of one speaker are alike (Peng and Liu, 2019).

    Args:
        first, second: errors on the same references.
        replications: number of draws.
        seed: seed of the draws; the same one gives the same numbers.
        paired_seeds: draw the same seeds for both systems, whose trainings with one seed share what is random (order of
            the data, augmentation); otherwise each system has draws of its own.

    Raises:
        ValueError: the references differ, there are no replications, or paired systems differ in their number of seeds.

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
    # how often each speaker is drawn, (replications, S)
    speakers = generator.multinomial(num_speakers, np.full(num_speakers, 1 / num_speakers), size=replications)
    num_phones = speakers @ first.num_phones
    if paired_seeds and len(first.errors) != len(second.errors):
        counts = f"{len(first.errors)} and {len(second.errors)}"
        raise ValueError(f"first and second have {counts} seeds; paired systems need the same number")
    rates: list[NDArray[np.float64]] = []
    for system in (first, second):
        num_seeds = len(system.errors)
        if not (rates and paired_seeds):
            seeds = generator.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=replications) / num_seeds
        rates.append(100.0 * (seeds @ system.errors * speakers).sum(axis=1) / np.maximum(num_phones, 1))
    differences = rates[1] - rates[0]
    low, high = np.percentile(differences, [2.5, 97.5])
    # sums of the same errors in another order differ in their last bits
    better = np.where(np.abs(differences) < 1e-9, 0.5, differences < 0)
    return BootstrapDifference(
        difference=second.percent - first.percent,
        low=float(low),
        high=float(high),
        standard_error=float(differences.std()),
        probability_of_improvement=float(better.mean()),
    )
