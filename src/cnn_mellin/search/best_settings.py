"""The settings that a study recommends: those of its best trial, or each setting's own best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cnn_mellin.config.settings import Settings
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import Dimension, settings_of_draw

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["best_settings", "best_trial", "completed_trials", "independent_best_settings", "trial_value"]

# Values are compared in groups: each choice is one, numbers are in at most so many groups of neighbours. A median over
# fewer than so many trials counts only where no group has as many.
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
    """The settings of the best trial.

    Raises:
        DatabaseError: no trial is completed, or the best one has not drawn what the study searches.
    """
    best = best_trial(study_name, trials)
    return settings_of_draw(plan.start(), {d.name: _drawn(study_name, best, d) for d in plan.dimensions})


def independent_best_settings(
    study_name: str,
    plan: StudyPlan,
    trials: Sequence[FrozenTrial],
    warn: Callable[[str], None] = lambda _line: None,
) -> Settings:
    """Each searched setting at the value whose trials have the lowest median, whatever the other settings were.

    Values are compared in groups of completed trials. Each choice is a group; numbers are put into groups of neighbours
    of about equal size (equal values are never parted), and the median value of the best group is taken. One rule holds
    for both: a group of fewer than 5 trials counts only where no group of that setting has 5.

    Args:
        study_name: of the study.
        plan: of the study.
        trials: of the study.
        warn: called with a line for every setting of which a lower median was left out by that rule.

    Raises:
        DatabaseError: no trial is completed, or one has not drawn what the study searches.
    """
    best_trial(study_name, trials)
    done = completed_trials(trials)
    values: dict[str, Any] = {}
    for dimension in plan.dimensions:
        drawn = [(_drawn(study_name, trial, dimension), trial_value(trial)) for trial in done]
        values[dimension.name] = _lowest_median(dimension, drawn, warn)
        if not dimension.choices:
            high = dimension.high_of(settings_of_draw(plan.start(), values)) if dimension.most else dimension.high
            values[dimension.name] = type(values[dimension.name])(min(values[dimension.name], high))
    return settings_of_draw(plan.start(), values)


def _drawn(study_name: str, trial: FrozenTrial, dimension: Dimension) -> Any:
    if dimension.name not in trial.params:
        raise DatabaseError(
            f"--study-name {study_name}: trial {trial.number} has no value of {dimension.name}, which the study "
            "searches; run trials with `optim ... run` only, and begin another study"
        )
    return trial.params[dimension.name]


def _lowest_median(dimension: Dimension, drawn: Sequence[tuple[Any, float]], warn: Callable[[str], None]) -> Any:
    if dimension.choices:
        groups = [[pair for pair in drawn if pair[0] == choice] for choice in dimension.choices]
    else:
        groups = _neighbours(sorted(drawn))
    groups = [group for group in groups if group]
    large = [group for group in groups if len(group) >= _FEWEST_TRIALS] or groups
    best = min(large, key=_median)
    for group in groups:
        if group not in large and _median(group) < _median(best):
            warn(
                f"{dimension.name}: {_named(group)} has a lower median ({_median(group):.2f} %) than {_named(best)} "
                f"({_median(best):.2f} %), but only {len(group)} completed trials; {_FEWEST_TRIALS} are needed"
            )
    if dimension.choices:
        return best[0][0]
    return statistics.median_low(sorted(setting for setting, _ in best))


def _median(group: Sequence[tuple[Any, float]]) -> float:
    return statistics.median(value for _, value in group)


def _named(group: Sequence[tuple[Any, float]]) -> str:
    """The values of a group, which has them in order where they are numbers."""
    first, last = (f"{end:g}" if type(end) in (int, float) else str(end) for end in (group[0][0], group[-1][0]))
    return first if first == last else f"{first} to {last}"


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
