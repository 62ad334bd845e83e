"""How much each setting of a study matters for its results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnn_mellin.search.best_settings import completed_trials
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.plan import StudyPlan

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = ["EVALUATORS", "setting_importances"]

EVALUATORS = {"fanova": "fANOVA", "mdi": "mean decrease of impurity", "ped-anova": "PED-ANOVA"}
_SEED = 0


def setting_importances(
    study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial], evaluator: str = "fanova"
) -> list[tuple[str, float]]:
    """Searched settings with their parts of the results' variance, the largest first; always the same ones.

    Where all results are equal nothing matters: all parts are zero, and the settings are in the order of their names.

    Args:
        study_name: of the study.
        plan: of the study.
        trials: of the study; the completed ones count.
        evaluator: one of EVALUATORS; what is random in it has a fixed seed.

    Raises:
        DatabaseError: fewer than two trials are completed.
    """
    import optuna
    from optuna.importance import get_param_importances

    done = completed_trials(trials)
    if len(done) < 2:
        raise DatabaseError(
            f"--study-name {study_name}: has {len(done)} completed trials of {len(trials)}; importances take at least "
            "2, and many to be believed"
        )
    if len({trial.value for trial in done}) == 1:
        return sorted((dimension.name, 0.0) for dimension in plan.dimensions)
    # Ranges that other settings bound differ between trials, and Optuna would leave them out: all get the whole range.
    spaces = {dimension.name: dimension.distribution() for dimension in plan.dimensions}
    alike = optuna.create_study(direction="minimize")
    for trial in done:
        params = {name: trial.params[name] for name in spaces}
        alike.add_trial(optuna.create_trial(params=params, distributions=spaces, value=trial.value))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = get_param_importances(alike, evaluator=_evaluator(evaluator))
    return sorted(((name, float(found.get(name, 0.0))) for name in spaces), key=lambda pair: (-pair[1], pair[0]))


def _evaluator(kind: str) -> optuna.importance.BaseImportanceEvaluator:
    from optuna import importance

    if kind == "fanova":
        return importance.FanovaImportanceEvaluator(seed=_SEED)
    if kind == "mdi":
        return importance.MeanDecreaseImpurityImportanceEvaluator(seed=_SEED)
    return importance.PedAnovaImportanceEvaluator()
