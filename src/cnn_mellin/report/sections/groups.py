"""Sections on the phone error rates of single phones and speakers."""

from __future__ import annotations

import math
import statistics
from typing import Literal

from cnn_mellin.report.figures.results import draw_groups, hardest_first
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section

__all__ = ["groups_section"]

# Number of the hardest phones or speakers that the alternative text names.
_NUM_NAMED = 3


def groups_section(results: RecipeResults, group: Literal["phone", "speaker"]) -> Section:
    """Picture of the phone error rate of each phone or speaker."""
    section = Section(f"By {group}")
    means: dict[str, dict[str, float]] = {}
    for system in results.systems:
        percents = results.percents(system, group)
        if percents:
            means[system] = {name: statistics.fmean(values) for name, values in percents.items()}
    if means:
        names = hardest_first(means)
        labels = [f"{name}: {', '.join(_percents(means, name))}" for name in names]
        alt = f"Dots of the phone error rate of {len(names)} {group}s. The hardest: {'; '.join(labels[:_NUM_NAMED])}. "
        alt += f"The easiest: {labels[-1]}."
        caption = "Greedy search, mean over the seeds. Point at a column, or go through them with the arrow keys."
        section.picture(draw_groups(means, group), caption, alt, marks=labels)
    return section


def _percents(means: dict[str, dict[str, float]], name: str) -> list[str]:
    """Phone error rate of a phone or speaker under each system that has one."""
    found = {system: of_system.get(name, math.inf) for system, of_system in means.items()}
    return [f"{system} {value:.1f} %" for system, value in found.items() if math.isfinite(value)]
