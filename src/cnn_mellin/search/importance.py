"""Importances: how much each hyperparameter of a study matters for its results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna

from cnn_mellin.search.best_settings import completed_trials
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.plan import StudyPlan

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["EVALUATORS", "setting_importances"]

EVALUATORS = {"fanova": "fANOVA", "mdi": "mean decrease of impurity", "ped-anova": "PED-ANOVA"}
_SEED = 0


def setting_importances(
    study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial], evaluator: str = "fanova"
) -> list[tuple[str, float]]:
    """Hyperparameters and their shares of the results' variance, the largest first.

    The result is reproducible. If all results are equal, all shares are zero, and the order is that of the names.

    Args:
        study_name: name of the study.
        plan: plan of the study.
        trials: trials of the study, of which the completed ones are used.
        evaluator: one of EVALUATORS; its random numbers have a fixed seed.

    Raises:
        DatabaseError: fewer than two trials are completed.
    """
    done = completed_trials(trials)
    if len(done) < 2:
        raise DatabaseError(
            f"study {study_name}: has {len(done)} completed trials of {len(trials)}; importances need at least 2, and "
            "many to be reliable"
        )
    if len({trial.value for trial in done}) == 1:
        return sorted((dimension.name, 0.0) for dimension in plan.dimensions)
    # Optuna leaves out hyperparameters whose range differs between trials, so each gets its whole range.
    spaces = {dimension.name: dimension.distribution() for dimension in plan.dimensions}
    alike = optuna.create_study(direction="minimize")
    for trial in done:
        params = {name: trial.params[name] for name in spaces}
        alike.add_trial(optuna.create_trial(params=params, distributions=spaces, value=trial.value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = optuna.importance.get_param_importances(alike, evaluator=_evaluator(evaluator))
    return sorted(((name, float(found.get(name, 0.0))) for name in spaces), key=lambda pair: (-pair[1], pair[0]))


def _evaluator(kind: str) -> optuna.importance.BaseImportanceEvaluator:
    if kind == "fanova":
        return optuna.importance.FanovaImportanceEvaluator(seed=_SEED)
    if kind == "mdi":
        return optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=_SEED)
    return optuna.importance.PedAnovaImportanceEvaluator()
