import random

import pytest

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

import optuna

from cnn_mellin.config import Settings
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.importance import EVALUATORS, setting_importances
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions

NAMES = ["model.window_size", "model.convolutional_layers", "model.convolutional_factor_schedule"]


@pytest.fixture
def plan() -> StudyPlan:
    return StudyPlan(Settings().as_dict(), tuple(choose_dimensions(Settings(), whitelist=NAMES)))


def trials_of(plan: StudyPlan, count: int) -> list[optuna.trial.FrozenTrial]:
    """Trials whose value depends mostly on the schedule, whose range depends on the number of layers."""
    stream, found = random.Random(0), []
    for number in range(count):
        layers = stream.randint(1, 6)
        params = dict(zip(NAMES, (stream.randint(2, 10), layers, stream.randint(1, layers + 1)), strict=True))
        spaces = {d.name: d.distribution(layers + 1 if d.most else None) for d in plan.dimensions}
        value = 10.0 * params[NAMES[2]] + 0.1 * params[NAMES[0]]
        made = optuna.create_trial(params=params, distributions=spaces, value=value)
        made.number = number
        found.append(made)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_the_most_important_hyperparameter_is_first_even_if_its_range_varies(plan, evaluator):
    found = setting_importances("s", plan, trials_of(plan, 60), evaluator)
    if evaluator != "ped-anova":  # asks what the best tenth have in common, which here is not only the schedule
        assert found[0][0] == NAMES[2]
    assert {name for name, _ in found} == set(NAMES)
    assert found == setting_importances("s", plan, trials_of(plan, 60), evaluator)


def test_if_all_results_are_equal_no_hyperparameter_matters(plan):
    trials = [trial for trial in trials_of(plan, 3)[:1] for _ in range(2)]
    assert setting_importances("s", plan, trials) == [(name, 0.0) for name in sorted(NAMES)]


def test_one_trial_is_too_few(plan):
    with pytest.raises(DatabaseError, match="has 1 completed trials of 1"):
        setting_importances("s", plan, trials_of(plan, 1))
