"""Answer of a recipe: which system has the lowest phone error rate, and how certain that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnn_mellin.report.leader import LEVEL, pair_p_value
from cnn_mellin.report.table_cells import p_value_cell, system_name

__all__ = ["answer"]


def answer(comparisons: Mapping[str, Any], decoders: Mapping[str, str]) -> list[str]:
    """One sentence per decoder: the best system, and its difference from the next.

    Args:
        comparisons: name of a decoder -> JSON of the comparison under it.
        decoders: name of a decoder -> description.
    """
    sentences = []
    for name, comparison in comparisons.items():
        ranked = sorted(comparison["systems"], key=lambda system: comparison["systems"][system]["mean"])
        best = ranked[0]
        text = f"{decoders[name].split(',')[0].capitalize()}: "
        tied = [system for system in ranked if _mean(comparison, system) == _mean(comparison, best)]
        if len(tied) > 1:
            names = " and ".join(system_name(system, name) for system in tied)
            sentences.append(f"{text}{names} have the same phone error rate, {_mean(comparison, best)} %.")
            continue
        mean = comparison["systems"][best]["mean"]
        text += f"{system_name(best, name)} has the lowest phone error rate, {mean:.1f} %"
        pair = next((p for p in comparison["pairs"] if {p["first"], p["second"]} == set(ranked[:2])), None)
        if pair is not None:
            difference = abs(pair["bootstrap"]["difference"])
            p_value = pair_p_value(pair)
            certainty = "more than chance explains" if p_value < LEVEL else "not shown to be more than chance"
            equal = "" if p_value < 0.001 else "= "
            text += f"; {difference:.1f} points below {system_name(ranked[1], name)}, {certainty} "
            text += f"(p {equal}{p_value_cell(p_value)})"
        sentences.append(text + ".")
    return sentences


def _mean(comparison: Mapping[str, Any], system: str) -> str:
    """Mean phone error rate in percent as tables show it: systems that differ by less are equal."""
    return f"{comparison['systems'][system]['mean']:.2f}"
