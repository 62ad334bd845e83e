import pytest

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

import optuna

from cnn_mellin.config import Settings
from cnn_mellin.search.best_settings import best_settings, best_trial, independent_best_settings
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions

NAMES = ["model.window_size", "model.recurrent_type", "model.convolutional_layers"]
NAMES += ["model.convolutional_factor_schedule", "training.dropout_prob"]


@pytest.fixture
def plan() -> StudyPlan:
    return StudyPlan(Settings().as_dict(), tuple(choose_dimensions(Settings(), whitelist=NAMES)))


def trial(plan: StudyPlan, number: int, value: float | None, *values: object, state: str = "COMPLETE"):
    spaces = {dimension.name: dimension.distribution() for dimension in plan.dimensions}
    made = optuna.create_trial(
        state=optuna.trial.TrialState[state],
        value=value,
        params=dict(zip(NAMES, values, strict=True)),
        distributions=spaces,
    )
    made.number = number
    return made


def test_the_best_trial_is_the_first_with_the_lowest_value(plan):
    trials = [
        trial(plan, 0, 30.0, 5, "LSTM", 2, 1, 0.1),
        trial(plan, 1, 20.0, 7, "GRU", 3, 2, 0.05),
        trial(plan, 2, 20.0, 9, "RNN", 3, 2, 0.05),
        trial(plan, 3, None, 9, "RNN", 3, 2, 0.05, state="PRUNED"),
    ]
    assert best_trial("s", trials).number == 1
    found = best_settings("s", plan, trials)
    assert (found.model.window_size, found.model.recurrent_type, found.training.dropout_prob) == (7, "GRU", 0.05)
    assert found.training.noise_eps == Settings().training.noise_eps


def test_no_completed_trial_is_an_error_with_a_remedy(plan):
    with pytest.raises(DatabaseError, match=r"has no completed trial yet \(1 in all\)"):
        best_trial("s", [trial(plan, 0, None, 9, "RNN", 3, 2, 0.05, state="PRUNED")])


def test_each_setting_has_its_own_lowest_median(plan):
    # window_size 3 is good in the median, though the single best trial has 8; GRU is good, LSTM has one lucky trial.
    trials = []
    for i in range(20):
        size, cell = (3, 8)[i % 2], ("GRU", "LSTM")[i // 10]
        value = {3: 20.0, 8: 40.0}[size] + {"GRU": 0.0, "LSTM": 30.0}[cell] + i / 100
        trials.append(trial(plan, i, value, size, cell, 4, 2, 0.01 * i))
    trials[19] = trial(plan, 19, 1.0, 8, "LSTM", 4, 2, 0.19)
    found = independent_best_settings("s", plan, trials)
    assert (found.model.window_size, found.model.recurrent_type) == (3, "GRU")
    assert best_settings("s", plan, trials).model.window_size == 8


def test_a_group_of_few_trials_counts_only_if_there_is_no_larger(plan):
    trials = [trial(plan, i, 30.0 + i / 10, 5, "GRU", 4, 2, 0.1) for i in range(6)]
    trials.append(trial(plan, 6, 10.0, 5, "LSTM", 4, 2, 0.1))
    assert independent_best_settings("s", plan, trials).model.recurrent_type == "GRU"
    assert independent_best_settings("s", plan, trials[5:]).model.recurrent_type == "LSTM"


@pytest.mark.parametrize("name", ["model.recurrent_type", "training.dropout_prob"])
def test_five_trials_overrule_a_lower_median_of_two_for_choices_and_numbers_with_a_warning(plan, name, caplog):
    values = {"model.recurrent_type": ("GRU", "LSTM"), "training.dropout_prob": (0.1, 0.15)}[name]
    fixed = {"model.window_size": 5, "model.recurrent_type": "RNN", "training.dropout_prob": 0.1}

    def made(number: int, value: float, setting: object) -> optuna.trial.FrozenTrial:
        chosen = fixed | {name: setting}
        cell, dropout = chosen["model.recurrent_type"], chosen["training.dropout_prob"]
        return trial(plan, number, value, 5, cell, 4, 2, dropout)

    # Nine equal values stay together, so that the two others are a group of their own for numbers too.
    trials = [made(i, 30.0 + i, values[0]) for i in range(9)] + [made(9 + i, 10.0 + i, values[1]) for i in range(2)]
    one = StudyPlan(plan.settings, tuple(d for d in plan.dimensions if d.name == name))
    found = independent_best_settings("s", one, trials)
    section, _, setting = name.partition(".")
    assert getattr(getattr(found, section), setting) == values[0]
    groups = f"{values[1]} has a lower median (10.50 %) than {values[0]} (34.00 %)"
    assert caplog.messages == [f"{name}: {groups}, but only 2 completed trials; 5 are needed"]


def test_if_no_group_has_five_trials_all_count(plan, caplog):
    trials = [trial(plan, i, 30.0, 5, "GRU", 4, 2, 0.1) for i in range(4)]
    trials.append(trial(plan, 4, 10.0, 5, "LSTM", 4, 2, 0.1))
    assert independent_best_settings("s", plan, trials).model.recurrent_type == "LSTM"
    assert caplog.messages == []


def test_a_trial_that_lacks_a_hyperparameter_is_named(plan):
    bare = optuna.create_trial(state=optuna.trial.TrialState.COMPLETE, value=1.0)
    bare.number = 4
    for found in (best_settings, independent_best_settings):
        with pytest.raises(DatabaseError, match=r"trial 4 has no value of \S+, which the study searches; run trials"):
            found("s", plan, [bare])


def test_a_hyperparameter_bounded_by_another_stays_within_its_bound(plan):
    trials = [trial(plan, i, 20.0, 5, "GRU", 1, 2, 0.1) for i in range(5)]
    trials += [trial(plan, 5 + i, 19.0 if i < 2 else 40.0, 5, "GRU", 6, 7, 0.1) for i in range(5)]
    trials += [trial(plan, 10 + i, 18.0, 5, "GRU", 6, 7, 0.1) for i in range(4)]
    found = independent_best_settings("s", plan, [*trials[:5], *trials[5:7], *trials[10:]]).model
    assert found.convolutional_factor_schedule <= found.convolutional_layers + 1
