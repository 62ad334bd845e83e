"""Paired permutation test over speakers."""

from __future__ import annotations

import numpy as np

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

__all__ = ["paired_permutation"]

# All exchanges are gone through up to this many speakers: 2^16 of them.
_MOST_SPEAKERS_EXACT = 16


def paired_permutation(
    first: SpeakerErrors, second: SpeakerErrors, *, permutations: int = 100_000, seed: int = 0
) -> float:
    """Two-sided p-value of the null hypothesis that the systems could be exchanged for any speaker.

    The statistic is the difference of the error totals, each the mean over a system's seeds.

    Args:
        first, second: errors on the same references.
        permutations: drawn where there are more than 16 speakers; with fewer, all are gone through.
        seed: of the draws.

    Returns:
        The share of exchanges that differ at least as much as what was seen, which is counted among them.

    Raises:
        ValueError: the references differ, or there are no permutations.

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
