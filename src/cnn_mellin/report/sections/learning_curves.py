"""Section on the course of the trainings."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from cnn_mellin.report.figures.learning_curves import draw_learning_curves
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.training.history import EpochRecord

__all__ = ["learning_curves_section"]


def learning_curves_section(results: RecipeResults) -> Section:
    """Picture of training loss, dev phone error rate and learning rate against epochs."""
    section = Section("Learning curves")
    histories = results.histories()
    if histories:
        falls = [f"{system} {_fall(seeds)}" for system, seeds in histories.items()]
        alt = "Lines of the training loss, the dev phone error rate and the learning rate per epoch. "
        alt += f"Mean over the seeds: {'; '.join(falls)}."
        section.picture(draw_learning_curves(histories), "One line per seed.", alt)
    return section


def _fall(seeds: Sequence[Sequence[EpochRecord]]) -> str:
    """Dev phone error rate after the first and the last epoch, mean over the seeds."""
    first, last = (statistics.fmean(epochs[place].dev_per_percent for epochs in seeds) for place in (0, -1))
    return f"from {first:.1f} % after the first epoch to {last:.1f} % after the last"
