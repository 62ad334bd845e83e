"""Permutation test over trainings: can the choice of seeds explain a difference?"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors, check_comparable

__all__ = ["training_permutation"]

# Up to this many assignments of trainings to systems are enumerated: enough for ten trainings of each system.
_MOST_EXACT = 200_000


def training_permutation(
    first: SpeakerErrors, second: SpeakerErrors, *, permutations: int = 100_000, seed: int = 0
) -> float:
    """Two-sided p-value of the null hypothesis that trainings are exchangeable between the two systems.

    A test over speakers averages over the seeds, and thus ignores how much trainings vary; this test accounts for it,
    but treats the speakers as fixed. A difference is significant only if both p-values are low. With R trainings of
    each system, no p-value is below 2 / C(2 R, R): 1 for one training each, 0.33 for two, 0.008 for five.

    Args:
        first, second: errors of both systems on the same references.
        permutations: number of random assignments of trainings to systems, used if more than 200,000 are possible;
            otherwise all are enumerated.
        seed: seed of the random assignments.

    Returns:
        The proportion of assignments, the observed one included, whose difference is at least as large as the observed
        difference.

    Raises:
        ValueError: the references differ, or `permutations` is below 1.

    >>> first = SpeakerErrors(("a",), np.array([99]), np.array([[9], [8], [7]]))
    >>> second = SpeakerErrors(("a",), np.array([99]), np.array([[6], [5], [4]]))
    >>> training_permutation(first, second)  # 2 of 20 assignments
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
    """Mean errors of the trainings assigned to the first system minus those of the rest."""
    difference: np.ndarray = sums / num_first - (total - sums) / (num_all - num_first)
    return difference
