"""Permutation test over trainings: whether a difference is larger than what another seed may give."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

__all__ = ["training_permutation"]

# All ways of sharing out the trainings are gone through up to this many, as for ten trainings of each system.
_MOST_EXACT = 200_000


def training_permutation(
    first: SpeakerErrors, second: SpeakerErrors, *, permutations: int = 100_000, seed: int = 0
) -> float:
    """Two-sided p-value of the null hypothesis that every training could be of either system.

    A test over speakers averages over the seeds and so takes these trainings for the systems themselves; this one keeps
    how much trainings vary, and takes these speakers for all there are. A difference is shown where both p-values are
    low. With R trainings of each system no p is below 2 / C(2 R, R): 1 with one each, 0.33 with two, 0.008 with five.

    Args:
        first, second: errors on the same references.
        permutations: number of draws where there are more than 200,000 ways of sharing out the trainings.
        seed: seed of the draws.

    Returns:
        The share of the ways that differ at least as much as what was seen, which is counted among them.

    Raises:
        ValueError: the references differ, or there are no permutations.

    >>> first = SpeakerErrors(("a",), np.array([99]), np.array([[9], [8], [7]]))
    >>> second = SpeakerErrors(("a",), np.array([99]), np.array([[6], [5], [4]]))
    >>> training_permutation(first, second)  # 2 of 20 ways
    0.1
    """
    check_comparable(first, second)
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}; it must be at least 1")
    totals = np.concatenate([first.errors.sum(axis=1), second.errors.sum(axis=1)]).astype(np.float64)
    num_first, num_all = len(first.errors), len(totals)
    seen = abs(_difference(totals[:num_first].sum(), totals.sum(), num_first, num_all)) - 1e-9
    if comb(num_all, num_first) <= _MOST_EXACT:
        sums = np.array([totals[list(chosen)].sum() for chosen in combinations(range(num_all), num_first)])
        return float((np.abs(_difference(sums, totals.sum(), num_first, num_all)) >= seen).mean())
    generator = np.random.default_rng(seed)
    orders = generator.permuted(np.tile(np.arange(num_all), (permutations, 1)), axis=1)[:, :num_first]
    sums = totals[orders].sum(axis=1)
    extreme = 1 + int((np.abs(_difference(sums, totals.sum(), num_first, num_all)) >= seen).sum())
    return extreme / (permutations + 1)


def _difference(sums: np.ndarray, total: float, num_first: int, num_all: int) -> np.ndarray:
    """Mean errors of one share of the trainings less those of the rest."""
    difference: np.ndarray = sums / num_first - (total - sums) / (num_all - num_first)
    return difference
