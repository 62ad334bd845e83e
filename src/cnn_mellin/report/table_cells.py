"""Texts of table cells: system names, differences, p-values and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["TEST_HEADERS", "difference_cells", "number_cell", "p_value_cell", "system_name"]

TEST_HEADERS = ("permutation p", "trainings p", "MAPSSWE p")
"""Column headers of the significance tests."""


def system_name(system: str, decoder: str) -> str:
    """Name of a system without its decoder.

    >>> system_name("mcorr-raw-greedy", "greedy")
    'mcorr-raw'
    """
    return system.removesuffix(f"-{decoder}")


def difference_cells(pair: Mapping[str, Any]) -> list[str]:
    """Difference of a pair of systems in points, and its interval.

    Args:
        pair: pair of systems in the JSON of a comparison.
    """
    bootstrap = pair["bootstrap"]
    interval = "–" if bootstrap["low"] is None else f"{bootstrap['low']:+.2f} to {bootstrap['high']:+.2f}"
    return [f"{bootstrap['difference']:+.2f}", interval]


def number_cell(value: float | None) -> str:
    """A number with one decimal, or a dash for None."""
    return "–" if value is None else f"{value:.1f}"


def p_value_cell(value: float) -> str:
    """A p-value with three decimals.

    >>> p_value_cell(0.0004), p_value_cell(0.02)
    ('< 0.001', '0.020')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
