"""The settings that a study recommends: those of its best trial, or each setting's own best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnn_mellin.config.settings import Settings
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import Dimension, settings_of_draw

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["best_settings", "best_trial", "completed_trials", "independent_best_settings", "trial_value"]

# Values of a range are compared in at most so many groups of neighbours, of at least so many trials.
_MOST_GROUPS, _FEWEST_TRIALS = 8, 5


def completed_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that were trained to their end, in the order of their numbers."""
    done = [trial for trial in trials if trial.state.name == "COMPLETE" and trial.value is not None]
    return sorted((trial for trial in done if math.isfinite(trial_value(trial))), key=lambda trial: trial.number)


def best_trial(study_name: str, trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The completed trial with the lowest value, the first of equals.

    Raises:
        DatabaseError: no trial is completed.
    """
    done = completed_trials(trials)
    if not done:
        raise DatabaseError(
            f"--study-name {study_name}: has no completed trial yet ({len(trials)} in all); "
            "`optim ... status` tells what runs, `optim ... run` goes on"
        )
    return min(done, key=lambda trial: (trial_value(trial), trial.number))


def best_settings(study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial]) -> Settings:
    """The settings of the best trial."""
    best = best_trial(study_name, trials)
    return settings_of_draw(plan.start(), {d.name: best.params[d.name] for d in plan.dimensions})


def independent_best_settings(study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial]) -> Settings:
    """Each searched setting at the value whose trials have the lowest median, whatever the other settings were.

    Choices are compared one by one. The values of a range are put into groups of neighbours of about equal size (equal
    values are never parted), and the median value of the best group is taken. A group of fewer than 5 trials counts
    only where there is no larger one.
    """
    best_trial(study_name, trials)
    done = completed_trials(trials)
    values: dict[str, Any] = {}
    for dimension in plan.dimensions:
        drawn = [(trial.params[dimension.name], trial_value(trial)) for trial in done]
        values[dimension.name] = _lowest_median(dimension, drawn)
        if not dimension.choices:
            high = dimension.high_of(settings_of_draw(plan.start(), values)) if dimension.most else dimension.high
            values[dimension.name] = type(values[dimension.name])(min(values[dimension.name], high))
    return settings_of_draw(plan.start(), values)


def _lowest_median(dimension: Dimension, drawn: Sequence[tuple[Any, float]]) -> Any:
    if dimension.choices:
        groups = [[pair for pair in drawn if pair[0] == choice] for choice in dimension.choices]
    else:
        groups = _neighbours(sorted(drawn))
    groups = [group for group in groups if group]
    large = [group for group in groups if len(group) >= _FEWEST_TRIALS] or groups
    best = min(large, key=lambda group: statistics.median(value for _, value in group))
    if dimension.choices:
        return best[0][0]
    return statistics.median_low(sorted(setting for setting, _ in best))


def _neighbours(pairs: Sequence[tuple[Any, float]]) -> list[list[tuple[Any, float]]]:
    """Pairs in groups of about equal size, those with equal first parts together."""
    size = len(pairs) / max(1, min(_MOST_GROUPS, len(pairs) // _FEWEST_TRIALS))
    groups: list[list[tuple[Any, float]]] = []
    for number, pair in enumerate(pairs):
        if not groups or (number >= size * len(groups) and pair[0] != groups[-1][-1][0]):
            groups.append([])
        groups[-1].append(pair)
    return groups


def trial_value(trial: FrozenTrial) -> float:
    """The value of a completed trial."""
    assert trial.value is not None
    return trial.value
