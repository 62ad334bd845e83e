"""The best settings of a study: those of its best trial, or the best value of each hyperparameter by itself."""

from __future__ import annotations

import logging
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnn_mellin.config.settings import Settings
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import Dimension, range_of, settings_with

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["best_settings", "best_trial", "completed_trials", "independent_best_settings", "trial_value"]

_logger = logging.getLogger(__name__)
# Largest number of groups of numbers, and number of trials from which a group's median counts.
_MAX_GROUPS, _MIN_TRIALS = 8, 5


def completed_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Completed trials with a finite value, in the order of their numbers."""
    done = [trial for trial in trials if trial.state.name == "COMPLETE" and trial.value is not None]
    return sorted((trial for trial in done if math.isfinite(trial_value(trial))), key=lambda trial: trial.number)


def best_trial(study_name: str, trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """The completed trial with the lowest value; among equals, the first.

    Raises:
        DatabaseError: no trial is completed.
    """
    done = completed_trials(trials)
    if not done:
        raise DatabaseError(
            f"study {study_name}: has no completed trial yet ({len(trials)} in all); `optim ... status` shows what "
            "runs, and `optim ... run` runs more"
        )
    return min(done, key=lambda trial: (trial_value(trial), trial.number))


def best_settings(study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial]) -> Settings:
    """The settings of the best trial.

    Raises:
        DatabaseError: no trial is completed, or the best one lacks a hyperparameter of the study.
    """
    best = best_trial(study_name, trials)
    return settings_with(plan.start(), {d.name: _value_of(study_name, best, d) for d in plan.dimensions})


def independent_best_settings(study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial]) -> Settings:
    """Settings with each hyperparameter at the value whose trials have the lowest median, whatever the others were.

    Values are compared in groups of completed trials. Each choice is a group. Numbers are sorted into groups of
    neighbours of about equal size (equal values stay together), and the median of the best group is taken. In both
    cases, a group of fewer than 5 trials counts only if no group of that hyperparameter has 5; a warning is logged for
    each group with a lower median that this rule excludes.

    Args:
        study_name: name of the study.
        plan: plan of the study.
        trials: trials of the study.

    Raises:
        DatabaseError: no trial is completed, or one lacks a hyperparameter of the study.
    """
    best_trial(study_name, trials)
    done = completed_trials(trials)
    values: dict[str, Any] = {}
    for dimension in plan.dimensions:
        pairs = [(_value_of(study_name, trial, dimension), trial_value(trial)) for trial in done]
        best = _lowest_median(dimension, pairs)
        if not dimension.choices:
            low, high = range_of(dimension, plan.dimensions, plan.start(), values)
            best = type(best)(min(max(best, low), high))
        values[dimension.name] = best
    return settings_with(plan.start(), values)


def _value_of(study_name: str, trial: FrozenTrial, dimension: Dimension) -> Any:
    if dimension.name not in trial.params:
        raise DatabaseError(
            f"study {study_name}: trial {trial.number} has no value of {dimension.name}, which the study searches; run "
            "trials only with `optim ... run`, and create another study"
        )
    return trial.params[dimension.name]


def _lowest_median(dimension: Dimension, pairs: Sequence[tuple[Any, float]]) -> Any:
    """The value of a hyperparameter with the lowest median, from pairs of its values and those of the trials."""
    if dimension.choices:
        groups = [[pair for pair in pairs if pair[0] == choice] for choice in dimension.choices]
    else:
        groups = _neighbours(sorted(pairs))
    groups = [group for group in groups if group]
    large = [group for group in groups if len(group) >= _MIN_TRIALS] or groups
    best = min(large, key=_median)
    for group in groups:
        if group not in large and _median(group) < _median(best):
            _logger.warning(
                f"{dimension.name}: {_named(group)} has a lower median ({_median(group):.2f} %) than {_named(best)} "
                f"({_median(best):.2f} %), but only {len(group)} completed trials; {_MIN_TRIALS} are needed"
            )
    if dimension.choices:
        return best[0][0]
    return statistics.median_low(sorted(setting for setting, _ in best))


def _median(group: Sequence[tuple[Any, float]]) -> float:
    return statistics.median(value for _, value in group)


def _named(group: Sequence[tuple[Any, float]]) -> str:
    """The values of a group for the user; numbers are in ascending order."""
    first, last = (f"{end:g}" if type(end) in (int, float) else str(end) for end in (group[0][0], group[-1][0]))
    return first if first == last else f"{first} to {last}"


def _neighbours(pairs: Sequence[tuple[Any, float]]) -> list[list[tuple[Any, float]]]:
    """Groups of about equal size of sorted pairs; pairs with equal first elements stay together."""
    size = len(pairs) / max(1, min(_MAX_GROUPS, len(pairs) // _MIN_TRIALS))
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
