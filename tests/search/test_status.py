from datetime import datetime, timedelta

import pytest

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

import optuna

from cnn_mellin.config import Settings
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.status import status_table, study_status

STATES = ["COMPLETE"] * 3 + ["PRUNED"] + ["RUNNING"] * 3 + ["WAITING"] * 5
BEGAN = datetime(2026, 1, 1)


@pytest.fixture
def plan() -> StudyPlan:
    return StudyPlan(Settings().as_dict(), (), num_trials=len(STATES), heartbeat_s=10.0)


def trials() -> list[optuna.trial.FrozenTrial]:
    found = []
    for number, state in enumerate(STATES):
        value = 30.0 - number if state == "COMPLETE" else None
        made = optuna.create_trial(state=optuna.trial.TrialState[state], value=value)
        made.number = number
        made.datetime_start = BEGAN
        ended = made.state.is_finished()
        made.datetime_complete = BEGAN + timedelta(seconds=60 * (number + 1)) if ended else None
        found.append(made)
    return found


def beats(*ages_s: float) -> dict[int, tuple[datetime, float, str]]:
    return {number: (BEGAN, age_s, f"host:{number}") for number, age_s in enumerate(ages_s)}


def test_counts_dead_workers_speed_and_time_left(plan):
    found = study_status("s", plan, trials(), beats(3, 12, 90))
    assert (found.num_completed, found.num_pruned, found.num_waiting) == (3, 1, 5)
    assert (found.num_running, found.num_dead) == (2, 1)
    assert found.lowest == (28.0, 2)
    assert found.trial_s == 150  # mean of 60, 120, 180, 240
    assert found.trials_per_hour == 48
    assert found.left_s == 8 * 150 / 2
    line = status_table([found]).splitlines()[1]
    assert line.split() == "s 12 3 1 2 1 5 28.00 (trial 2) 48.0 10 min".split()


def test_trials_pruned_before_training_do_not_decide_the_speed(plan):
    ended = trials()[:4]
    for trial in ended[:3]:
        trial.datetime_complete = BEGAN + timedelta(seconds=2)
    found = study_status("s", plan, ended + trials()[4:], beats(3, 12, 90))
    assert found.trial_s == (2 + 2 + 2 + 240) / 4
    assert found.left_s == 8 * found.trial_s / 2


def test_without_workers_the_time_left_is_unknown(plan):
    found = study_status("s", plan, trials()[:4], {})
    assert found.left_s is None
    assert found.num_dead == 0


def test_a_finished_study_is_done(plan):
    ended = StudyPlan(Settings().as_dict(), (), num_trials=4)
    assert status_table([study_status("s", ended, trials()[:4], {})]).endswith("done")
