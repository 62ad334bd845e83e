"""Paired permutation test over speakers."""

from __future__ import annotations

import numpy as np

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

__all__ = ["paired_permutation"]

# Up to this many speakers, all 2^16 exchanges are enumerated.
_MOST_SPEAKERS_EXACT = 16


def paired_permutation(
    first: SpeakerErrors, second: SpeakerErrors, *, permutations: int = 100_000, seed: int = 0
) -> float:
    """Two-sided p-value of the null hypothesis that the two systems are exchangeable for every speaker.

    The statistic is the difference of the error totals, each averaged over a system's seeds.

    Args:
        first, second: errors of both systems on the same references.
        permutations: number of random permutations for more than 16 speakers; for up to 16, all are enumerated.
        seed: seed of the random permutations.

    Returns:
        The proportion of permutations, the observed one included, whose difference is at least as large as the observed
        difference.

    Raises:
        ValueError: the references differ, or `permutations` is below 1.

    >>> first = SpeakerErrors(("a", "b", "c"), np.array([9, 9, 9]), np.array([[5, 6, 7]]))
    >>> second = SpeakerErrors(("a", "b", "c"), np.array([9, 9, 9]), np.array([[1, 2, 3]]))
    >>> paired_permutation(first, second)  # 2 of the 8 exchanges
    0.25
    """
    check_comparable(first, second)
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}; it must be at least 1")
    differences = second.errors.mean(axis=0) - first.errors.mean(axis=0)
    seen = abs(differences.sum()) - 1e-9
    num_speakers = len(differences)
    if num_speakers <= _MOST_SPEAKERS_EXACT:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float((np.abs(sums) >= seen).mean())
    generator = np.random.default_rng(seed)
    extreme, left = 1, permutations
    while left:
        drawn = min(left, 10_000)
        signs = 1.0 - 2.0 * generator.integers(2, size=(drawn, num_speakers))
        extreme += int((np.abs(signs @ differences) >= seen).sum())
        left -= drawn
    return extreme / (permutations + 1)
