import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from cnn_mellin.config import Settings

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

import optuna
from sqlalchemy import text

from cnn_mellin.search.database_url import DatabaseError, resolve_database_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import choose_dimensions
from cnn_mellin.search.status import status_table, study_status
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import SAMPLERS, OtherStudyError, create_study, load_study, make_pruner, read_trials
from cnn_mellin.search.trial_queue import TrialQueue
from cnn_mellin.search.worker import HandBack, Pruned, RunningTrial, RunSummary, run_study
from cnn_mellin.training.memory_shortage import naming_memory_shortage

WORKER = Path(__file__).with_name("cheap_worker.py")
BACKENDS = ["sqlite", "postgresql", "postgresql+pg8000", "mariadb"]


def plan_of(num_trials: int, heartbeat_s: float = 1.0, pruner: str = "none") -> StudyPlan:
    dimensions = tuple(choose_dimensions(Settings(), whitelist=["model.window_.*"]))
    return StudyPlan(Settings().as_dict(), dimensions, num_trials, pruner, heartbeat_s=heartbeat_s)


@pytest.fixture
def database(tmp_path) -> Iterator[StudyDatabase]:
    with StudyDatabase(resolve_database_url(f"sqlite:///{tmp_path}/study.db"), create=True) as opened:
        yield opened


def url_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """URL of a new database of this kind."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/study.db"
    server = request.getfixturevalue(f"{kind.partition('+')[0]}_server")
    made: str = server.new_database("cheap")
    return server.url("cheap", "pg8000") if kind == "postgresql+pg8000" else made


@contextmanager
def new_study(url: str, num_trials: int) -> Iterator[StudyDatabase]:
    with StudyDatabase(resolve_database_url(url), create=True) as opened:
        create_study(opened, "cheap", plan_of(num_trials))
        yield opened


def states(database: StudyDatabase) -> list[str]:
    study, _, _ = load_study(database, "cheap")
    trials = study.get_trials(deepcopy=False)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert all(trial.value == trial.number for trial in trials if trial.value is not None)
    return [trial.state.name for trial in trials]


def start(url: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), url, "cheap", str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(workers: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Output of each worker; none may have failed."""
    printed = [worker.communicate(timeout=300)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), printed
    return printed


@pytest.mark.soak
@pytest.mark.parametrize("kind", BACKENDS)
def test_eight_workers_finish_each_trial_once(kind, request, tmp_path):
    url = url_of(kind, request, tmp_path)
    with new_study(url, 200) as database:
        printed = wait_for([start(url, 0.01) for _ in range(8)])
        assert states(database) == ["COMPLETE"] * 200
    assert sum(int(text.split("num_completed=")[1].split(",")[0]) for text in printed) == 200


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_killing_a_worker_every_second_neither_loses_nor_doubles_a_trial(kind, request, tmp_path):
    url = url_of(kind, request, tmp_path)
    chance, killed = random.Random(1), 0
    with new_study(url, 200) as database:
        workers = [start(url, 0.2) for _ in range(8)]
        while sum(state == "COMPLETE" for state in states(database)) < 150:
            time.sleep(1.0)
            victim = workers.pop(chance.randrange(len(workers)))
            os.kill(victim.pid, signal.SIGKILL)
            victim.communicate()
            killed += 1
            workers.append(start(url, 0.2))
        wait_for(workers)
        assert states(database) == ["COMPLETE"] * 200
    assert killed >= 3


@pytest.mark.soak
@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "sqlite"])
def test_restarting_the_database_neither_loses_nor_doubles_a_trial(kind, request, tmp_path):
    url = url_of(kind, request, tmp_path)
    server = request.getfixturevalue(f"{kind.partition('+')[0]}_server")
    with new_study(url, 200) as database:
        workers = [start(url, 0.1) for _ in range(8)]
        for kill in (False, True):
            before = done = states(database).count("COMPLETE")
            while done < before + 40:
                time.sleep(0.2)
                done = database.patiently(partial(states, database)).count("COMPLETE")
            server.stop(kill=kill)
            time.sleep(1.0)
            server.start()
        printed = wait_for(workers)
        for said in printed:  # at most one line for each restart, and no traceback
            others = [line for line in said.splitlines() if not line.startswith(("trial ", "RunSummary("))]
            assert len(others) <= 2, others
            assert all("waiting for the database" in line for line in others)
        assert database.patiently(partial(states, database)) == ["COMPLETE"] * 200


@pytest.fixture(autouse=True)
def log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cnn_mellin")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the worker has logged."""
    return [record.getMessage() for record in caplog.records if record.name == "cnn_mellin.search.worker"]


def run(database: StudyDatabase, objective: Callable[[RunningTrial], float], **keywords: object) -> RunSummary:
    return run_study(database, "cheap", objective, sampler="random", **keywords)  # type: ignore[arg-type]


def test_the_same_study_is_created_once_and_another_is_refused(database):
    assert create_study(database, "cheap", plan_of(3))
    assert not create_study(database, "cheap", plan_of(3))
    with pytest.raises(OtherStudyError, match="num_trials: 3, not 4"):
        create_study(database, "cheap", plan_of(4))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "a b", "a/b", "a\udc80", "a\0", "é" * 101])
def test_names_of_studies_must_be_identifiers(database, name):
    with pytest.raises(DatabaseError, match=r"^study '.*' .*; an identifier has 1 to 200 bytes"):
        create_study(database, name, plan_of(3))
    with pytest.raises(DatabaseError, match=r"^study .* (does not exist in|which cannot be printed)"):
        load_study(database, name)


def test_an_existing_study_whose_name_is_not_an_identifier_is_found(database):
    create_study(database, "old", plan_of(3))
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE studies SET study_name = 'an old study'")
    assert not create_study(database, "an old study", plan_of(3))
    assert load_study(database, "an old study")[2] == plan_of(3)


def test_the_first_trial_has_the_given_values(database):
    create_study(database, "cheap", plan_of(2), {"model.window_size": 3})
    sizes: list[int] = []

    def objective(trial: RunningTrial) -> float:
        sizes.append(trial.settings.model.window_size)
        return float(trial.number)

    run(database, objective)
    assert sizes[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_gives_the_same_values_to_studies_of_the_same_name(tmp_path, sampler):
    sampled: list[list[object]] = []
    for number in range(2):
        with StudyDatabase(resolve_database_url(f"sqlite:///{tmp_path}/{number}.db"), create=True) as database:
            create_study(database, "cheap", plan_of(4))
            params: list[object] = []

            def objective(trial: RunningTrial, params: list[object] = params) -> float:
                params.append(trial.params)
                return float(trial.number)

            run_study(database, "cheap", objective, sampler=sampler)
            sampled.append(params)
    assert sampled[0] == sampled[1]
    assert len({repr(params) for params in sampled[0]}) > 1


def test_a_pruned_trial_counts_and_keeps_its_reason(database):
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


@pytest.mark.parametrize(
    ("pruner", "min_epochs", "first_pruned"), [("median", None, 3), ("median", 5, 5), ("hyperband", None, 1)]
)
def test_a_trial_trains_for_the_fewest_epochs_before_it_is_pruned(database, pruner, min_epochs, first_pruned):
    plan = replace(plan_of(12, pruner=pruner), pruner_min_epochs=min_epochs)
    create_study(database, "cheap", plan)
    trained: dict[int, int] = {}

    def objective(trial: RunningTrial) -> float:
        for epoch in range(1, 9):
            trained[trial.number] = epoch
            trial.report(epoch, 10.0 * trial.number + 10 / epoch)  # each trial is worse than those before
        return 10.0 * trial.number

    summary = run(database, objective)
    assert summary.num_pruned >= 4
    assert min(trained.values()) == first_pruned


@pytest.mark.parametrize("num_epochs", [None, 9])
def test_hyperband_compares_trials_after_the_fewest_epochs(num_epochs):
    settings = Settings().updated({"training": {"num_epochs": num_epochs}}, "test")
    plan = replace(plan_of(12, pruner="hyperband"), settings=settings.as_dict(), pruner_min_epochs=3)
    study = optuna.create_study(pruner=make_pruner(plan))
    trained: dict[int, int] = {}

    def objective(trial: optuna.Trial) -> float:
        for epoch in range(1, 10):
            trained[trial.number] = epoch
            trial.report(10.0 * trial.number + 10 / epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 10.0 * trial.number

    study.optimize(objective, n_trials=12)
    assert set(trained.values()) == {3, 9}


def test_a_training_that_runs_out_of_memory_is_pruned_and_the_worker_continues(database):
    create_study(database, "cheap", plan_of(2))

    def objective(trial: RunningTrial) -> float:
        if trial.number == 0:
            with naming_memory_shortage("epoch 1"):
                torch.empty(1 << 60)
        return float(trial.number)

    summary = run(database, objective)
    assert (summary.num_completed, summary.num_pruned, summary.num_failed) == (1, 1, 0)
    study, _, _ = load_study(database, "cheap")
    assert "epoch 1: out of memory" in study.trials[0].user_attrs["reason"]


def test_after_the_timeout_the_trial_is_handed_back(database):
    create_study(database, "cheap", plan_of(1))

    def objective(trial: RunningTrial) -> float:
        while not trial.should_stop():
            time.sleep(0.01)
        raise HandBack

    assert run(database, objective, timeout_s=0.2).stopped
    assert states(database) == ["WAITING"]


def test_a_failing_trial_is_retried_with_the_same_values_and_then_given_up(database):
    create_study(database, "cheap", plan_of(1))
    sampled = []

    def objective(trial: RunningTrial) -> float:
        sampled.append(trial.params)
        raise RuntimeError("broken")

    summary = run(database, objective, max_failed_retries=2)
    assert summary.num_failed == 3
    assert sampled[0] == sampled[1] == sampled[2]
    assert states(database) == ["PRUNED"]


def test_the_reason_of_a_failure_is_logged_and_kept_with_the_trial(database, caplog):
    create_study(database, "cheap", plan_of(2))
    ended: list[int] = []

    def objective(trial: RunningTrial) -> float:
        if trial.number == 0 and not lines(caplog):
            raise RuntimeError("the GPU has\nfallen off the bus")
        return float(trial.number)

    run(database, objective, on_end=ended.append)
    assert lines(caplog)[0] == "trial 0: failed (RuntimeError: the GPU has fallen off the bus)"
    assert "Traceback" in caplog.text
    study, study_id, plan = load_study(database, "cheap")
    assert study.trials[0].user_attrs["last_failure"] == "RuntimeError: the GPU has fallen off the bus"
    assert states(database) == ["COMPLETE"] * 2
    assert ended == [1, 0]
    assert study_status("cheap", plan, study.trials, TrialQueue(database, study_id, "w").beats()).failures == ()


def test_status_names_the_trials_that_failed(database):
    create_study(database, "cheap", plan_of(7))

    def objective(trial: RunningTrial) -> float:
        raise RuntimeError("broken")

    run(database, objective)
    study, _, plan = load_study(database, "cheap")
    lines = status_table([study_status("cheap", plan, study.trials, {})]).splitlines()
    assert lines[2] == "cheap: trial 0 failed once, waits for another attempt: RuntimeError: broken"
    assert len(lines) == 2 + 5
    run(database, objective, max_failed_retries=1)
    lines = status_table([study_status("cheap", plan, study.trials, {})]).splitlines()
    assert "cheap: trial 0 failed 2 times, given up: RuntimeError: broken" in lines, lines


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "a b", "a/b", "a\x00", "\x1b[31m", ".a", "(a)", "a" * 201, "\udcff"])
def test_the_name_of_a_new_study_must_be_an_identifier(database, name):
    with pytest.raises(DatabaseError, match="^study .*an identifier has 1 to 200 bytes") as error:
        create_study(database, name, plan_of(1))
    assert str(error.value).isprintable()
    with pytest.raises(DatabaseError, match="^study "):
        load_study(database, name)


DAMAGED_PLANS = [
    "",
    "[]",
    "[" * 100_000,
    "{}",
    '{"settings": 1, "dimensions": []}',
    '{"settings": {"model": {"window_size": "x"}}, "dimensions": []}',
    '{"settings": {}, "dimensions": [{"name": 3}]}',
    '{"settings": {}, "dimensions": [{"nme": "a"}]}',
    '{"settings": {}, "dimensions": [], "num_trials": 0}',
    '{"settings": {}, "dimensions": [], "num_trials": "many"}',
    '{"settings": {}, "dimensions": [], "pruner": "axe"}',
    '{"settings": {}, "dimensions": [], "heartbeat_s": NaN}',
    '{"settings": {}, "dimensions": [], "pruner_min_epochs": 0}',
]


@pytest.mark.slow
@pytest.mark.parametrize("content", DAMAGED_PLANS, ids=range(len(DAMAGED_PLANS)))
def test_a_damaged_plan_is_reported_in_one_line(database, content):
    create_study(database, "cheap", plan_of(1))
    with database.begin() as connection:
        connection.execute(text("UPDATE study_user_attributes SET value_json = :content"), {"content": content})
    with pytest.raises(
        DatabaseError, match="study.db: the plan of the study cheap.* is (not JSON|nested|damaged)"
    ) as error:
        load_study(database, "cheap")
    assert str(error.value).isprintable()


def test_plans_of_older_and_newer_versions_are_read(database):
    create_study(database, "cheap", plan_of(1))
    with database.begin() as connection:
        content = connection.execute(text("SELECT value_json FROM study_user_attributes")).scalar_one()
    older = json.loads(content)
    for added in ("versions", "heartbeat_s", "num_data_workers", "pruner_min_epochs"):
        older.pop(added)
    assert StudyPlan.from_dict(older | {"of a later version": 1}) == plan_of(1, heartbeat_s=30.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column", "content", "message"),
    [
        ("trial_user_attributes", "value_json", "{", "attribute 'worker' of the trial with id 1 is not JSON"),
        ("trial_params", "distribution_json", "{", "a trial of the study cheap is damaged"),
        ("trial_params", "distribution_json", "[]", "a trial of the study cheap is damaged"),
        ("trial_system_attributes", "value_json", "nonsense", "a trial of the study cheap is damaged"),
    ],
)
def test_a_damaged_trial_is_reported_in_one_line(database, table, column, content, message):
    create_study(database, "cheap", plan_of(3), {"model.window_size": 3})

    def objective(trial: RunningTrial) -> float:
        with database.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = :content"), {"content": content})
        return float(trial.number)

    def work_and_read() -> None:
        run(database, objective)
        read_trials(database, load_study(database, "cheap")[0])

    with pytest.raises(DatabaseError, match=message) as error:
        work_and_read()
    assert str(error.value).isprintable()


@pytest.mark.slow
def test_a_worker_on_a_broken_machine_leaves_before_it_uses_up_the_retries(database):
    create_study(database, "cheap", plan_of(8))
    tried = []

    def on_a_broken_machine(trial: RunningTrial) -> float:
        tried.append(trial.number)
        if trial.number == 1:
            return 1.0
        raise RuntimeError("the GPU has fallen off the bus")

    summary = run(database, on_a_broken_machine)
    assert tried == [0, 1, 0, 2, 3, 4, 5], "five different trials since the last success"
    assert summary.gave_up
    assert states(database) == ["WAITING", "COMPLETE"] + ["WAITING"] * 6

    summary = run(database, lambda trial: float(trial.number))
    assert not summary.gave_up
    assert states(database) == ["COMPLETE"] * 8


def replace_file(path: Path) -> None:
    shutil.copy(path, path.with_name("other"))
    os.replace(path.with_name("other"), path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (Path.unlink, "study.db was deleted or moved while it was in use"),
        (replace_file, "another file has taken the place of study.db while it was in use"),
        (lambda path: os.truncate(path, 0), "study.db was cut from [0-9]+ to 0 bytes"),
        (lambda path: Path(f"{path}-wal").unlink(), "study.db-wal was deleted or moved"),
    ],
    ids=["deleted", "replaced", "emptied", "wal"],
)
def test_a_worker_leaves_when_its_file_is_deleted_or_replaced(database, tmp_path, change, fault, caplog):
    create_study(database, "cheap", plan_of(4))

    def objective(trial: RunningTrial) -> float:
        if trial.number == 1:
            change(tmp_path / "study.db")
        return float(trial.number)

    with pytest.raises(DatabaseError, match=f"{fault}.*put the file back, or create the study again"):
        run(database, objective)
    assert lines(caplog) == ["trial 0: 0"]


def test_a_long_trial_ends_soon_after_its_file_is_deleted(database, tmp_path):
    create_study(database, "cheap", plan_of(1, heartbeat_s=0.05))
    told: list[bool] = []

    def objective(trial: RunningTrial) -> float:
        (tmp_path / "study.db").unlink()
        began = time.monotonic()
        while not trial.should_stop() and time.monotonic() - began < 5:
            time.sleep(0.01)
        told.append(trial.should_stop())
        raise HandBack

    with pytest.raises(DatabaseError, match="study.db was deleted or moved"):
        run(database, objective)
    assert told == [True]


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_a_worker_leaves_when_its_study_is_deleted_or_replaced(database, again):
    import optuna

    create_study(database, "cheap", plan_of(3))

    def objective(trial: RunningTrial) -> float:
        optuna.delete_study(study_name="cheap", storage=database.storage)
        if again:
            create_study(database, "cheap", plan_of(5))
        return float(trial.number)

    what = "has been replaced by another of that name" if again else "was deleted"
    with pytest.raises(DatabaseError, match=f"the study cheap {what} while it was in use"):
        run(database, objective)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["postgresql", "postgresql+pg8000", "mariadb"])
@pytest.mark.parametrize("what", ["database", "table"])
def test_a_worker_leaves_when_its_database_or_table_is_dropped(kind, what, request, tmp_path, caplog):
    url = url_of(kind, request, tmp_path)
    server = request.getfixturevalue(f"{kind.partition('+')[0]}_server")
    postgres = kind != "mariadb"
    with new_study(url, 4) as database:

        def objective(trial: RunningTrial) -> float:
            if trial.number == 1 and what == "database":
                server.query("DROP DATABASE cheap WITH (FORCE)" if postgres else "DROP DATABASE cheap")
            elif trial.number == 1:
                with database.begin() as connection:
                    dropped = "DROP TABLE trials CASCADE" if postgres else "SET FOREIGN_KEY_CHECKS=0; DROP TABLE trials"
                    for statement in dropped.split("; "):
                        connection.exec_driver_sql(statement)
            return float(trial.number)

        with pytest.raises(DatabaseError, match="(does not|doesn't) exist|Unknown database") as error:
            run(database, objective)
        assert lines(caplog) == ["trial 0: 0"]
        assert "create a study with `optim ... init`" in str(error.value)
        assert "{'S'" not in str(error.value)


def test_a_worker_that_is_asked_to_stop_hands_its_trial_back(database):
    create_study(database, "cheap", plan_of(2))

    def objective(trial: RunningTrial) -> float:
        assert trial.should_stop()
        raise HandBack

    asked = iter([False, False])
    summary = run(database, objective, stop=lambda: next(asked, True))
    assert summary.stopped
    assert states(database) == ["WAITING", "WAITING"]
