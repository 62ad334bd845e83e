"""Sections on the phone error rates of single phones and speakers."""

from __future__ import annotations

import statistics
from typing import Literal

from cnn_mellin.report.figures.results import draw_groups
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section

__all__ = ["groups_section"]


def groups_section(results: RecipeResults, group: Literal["phone", "speaker"]) -> Section:
    """Picture of the phone error rate of each phone or speaker."""
    section = Section(f"By {group}")
    means: dict[str, dict[str, float]] = {}
    for system in results.systems:
        percents = results.percents(system, group)
        if percents:
            means[system] = {name: statistics.fmean(values) for name, values in percents.items()}
    if means:
        section.picture(draw_groups(means, group), "Greedy search, mean over the seeds.")
    return section
