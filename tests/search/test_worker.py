import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cnn_mellin.config import Settings

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

from cnn_mellin.search.database_url import resolve_database_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import OtherStudyError, create_study, load_study
from cnn_mellin.search.worker import HandBack, Pruned, RunningTrial, RunSummary, run_study

WORKER = Path(__file__).with_name("cheap_worker.py")


def plan_of(num_trials: int, heartbeat_s: float = 1.0, pruner: str = "none") -> StudyPlan:
    dimensions = tuple(choose_dimensions(Settings(), whitelist=["model.window_.*"]))
    return StudyPlan(Settings().as_dict(), dimensions, num_trials, pruner, heartbeat_s=heartbeat_s)


@pytest.fixture
def database(tmp_path):
    with StudyDatabase(resolve_database_url(f"sqlite:///{tmp_path}/study.db"), create=True) as opened:
        yield opened


def states(database: StudyDatabase) -> list[str]:
    study, _, _ = load_study(database, "cheap")
    trials = study.get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert all(trial.value == trial.number for trial in trials if trial.value is not None)
    return [trial.state.name for trial in trials]


def start(database: StudyDatabase, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), f"sqlite:///{database.url.database}", "cheap", str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_eight_workers_end_each_trial_once(database):
    create_study(database, "cheap", plan_of(200))
    workers = [start(database, 0.01) for _ in range(8)]
    printed = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 8, printed
    assert states(database) == ["COMPLETE"] * 200
    done = [int(text.split("num_completed=")[1].split(",")[0]) for text in printed]
    assert sum(done) == 200


@pytest.mark.slow
def test_killed_workers_lose_no_trial_and_double_none(database):
    create_study(database, "cheap", plan_of(40))
    chance = random.Random(1)
    workers = [start(database, 0.2) for _ in range(4)]
    for _ in range(4):
        time.sleep(1.5)
        victim = workers.pop(chance.randrange(len(workers)))
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()
        workers.append(start(database, 0.2))
    printed = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), printed
    assert states(database) == ["COMPLETE"] * 40


def run(database: StudyDatabase, objective: Callable[[RunningTrial], float], **keywords: object) -> RunSummary:
    return run_study(database, "cheap", objective, sampler="random", **keywords)  # type: ignore[arg-type]


def test_the_same_study_is_made_once_and_another_is_refused(database):
    assert create_study(database, "cheap", plan_of(3))
    assert not create_study(database, "cheap", plan_of(3))
    with pytest.raises(OtherStudyError, match="num_trials: 3, not 4"):
        create_study(database, "cheap", plan_of(4))


def test_the_first_trial_draws_what_it_is_told(database):
    create_study(database, "cheap", plan_of(2), {"model.window_size": 3})
    drawn: list[int] = []

    def objective(trial: RunningTrial) -> float:
        drawn.append(trial.settings.model.window_size)
        return float(trial.number)

    run(database, objective)
    assert drawn[0] == 3


def test_a_pruned_trial_counts_and_says_why(database):
    create_study(database, "cheap", plan_of(2))

    def objective(trial: RunningTrial) -> float:
        if trial.number == 0:
            raise Pruned("it needs 7 GB, the limit is 6")
        return float(trial.number)

    summary = run(database, objective)
    assert (summary.num_completed, summary.num_pruned) == (1, 1)
    assert states(database) == ["PRUNED", "COMPLETE"]
    study, _, _ = load_study(database, "cheap")
    assert study.trials[0].user_attrs["reason"] == "it needs 7 GB, the limit is 6"


def test_a_failing_trial_is_tried_again_with_the_same_draw_and_then_given_up(database):
    create_study(database, "cheap", plan_of(1))
    drawn = []

    def objective(trial: RunningTrial) -> float:
        drawn.append(trial.params)
        raise RuntimeError("broken")

    summary = run(database, objective, max_failed_retries=2)
    assert summary.num_failed == 3
    assert drawn[0] == drawn[1] == drawn[2]
    assert states(database) == ["PRUNED"]


def test_who_is_told_to_stop_hands_its_trial_back(database):
    create_study(database, "cheap", plan_of(2))

    def objective(trial: RunningTrial) -> float:
        assert trial.should_stop()
        raise HandBack

    asked = iter([False, False])
    summary = run(database, objective, stop=lambda: next(asked, True))
    assert summary.stopped
    assert states(database) == ["WAITING", "WAITING"]
