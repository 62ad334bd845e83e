"""System with the lowest phone error rate, where its lead is more than chance explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LEVEL", "pair_p_value", "significant_leader"]

LEVEL = 0.05
"""Significance level: a p-value below it is called more than chance."""


def pair_p_value(pair: Mapping[str, Any]) -> float:
    """p-value of the difference of a pair of systems: the higher of those over speakers and over trainings.

    Args:
        pair: pair of systems in the JSON of a comparison.
    """
    return max(float(pair["permutation_p_holm"]), float(pair["training_p_holm"]))


def significant_leader(comparison: Mapping[str, Any]) -> str | None:
    """The system with the lowest mean phone error rate, None unless it differs from each other one with p < 0.05.

    Args:
        comparison: JSON of a comparison.

    >>> pair = {"first": "a", "second": "b", "permutation_p_holm": 0.01, "training_p_holm": 0.04}
    >>> found = {"systems": {"a": {"mean": 9.0}, "b": {"mean": 8.0}}, "pairs": [pair]}
    >>> significant_leader(found)
    'b'
    >>> significant_leader(found | {"pairs": [pair | {"training_p_holm": 0.33}]}) is None
    True
    """
    best = min(comparison["systems"], key=lambda system: comparison["systems"][system]["mean"])
    p_values = [pair_p_value(pair) for pair in comparison["pairs"] if best in (pair["first"], pair["second"])]
    return best if p_values and max(p_values) < LEVEL else None
