"""Section on the course of the trainings."""

from __future__ import annotations

from cnn_mellin.report.figures.results import draw_curves
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section

__all__ = ["learning_curves_section"]


def learning_curves_section(results: RecipeResults) -> Section:
    """Picture of training loss and dev phone error rate against epochs."""
    section = Section("Learning curves")
    histories = results.histories()
    if histories:
        section.picture(draw_curves(histories), "One line per seed.")
    return section
