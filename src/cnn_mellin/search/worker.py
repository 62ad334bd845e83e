"""A worker of a study: runs one trial after another until none is left."""

from __future__ import annotations

import logging
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import optuna

from cnn_mellin.config.settings import Settings
from cnn_mellin.errors import ProcessLostError, UserError
from cnn_mellin.search import optuna_tables
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.early_end import HandBack, Pruned
from cnn_mellin.search.heartbeat import Heartbeat
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import sample_values, settings_with
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import load_study, make_sampler, read_trials, require_study
from cnn_mellin.search.trial_queue import TrialQueue, worker_name

__all__ = ["HandBack", "Pruned", "RunSummary", "RunningTrial", "run_study"]

_logger = logging.getLogger(__name__)
# Seconds for which a running worker waits for a database that is down.
_PATIENCE_S = 900.0
# If this many different trials fail one after another, the machine is at fault rather than the trials.
_MAX_FAILURES_IN_A_ROW = 5


@dataclass
class RunSummary:
    """Result of `run_study`.

    Args:
        num_completed, num_pruned: number of trials that the worker completed or pruned.
        num_failed: number of attempts that failed.
        stopped: the worker was asked to stop.
        gave_up: the worker left because five different trials failed one after another.
        others: number of trials that other workers were running when it left.
        study_name: name of the study.
    """

    num_completed: int = 0
    num_pruned: int = 0
    num_failed: int = 0
    stopped: bool = False
    gave_up: bool = False
    others: int = 0
    study_name: str = ""


class RunningTrial:
    """A trial as its objective sees it.

    Attributes:
        number: number of the trial, from 0.
        params: hyperparameter -> value.
        settings: the study's settings with these values.
    """

    def __init__(
        self, database: StudyDatabase, trial: optuna.Trial, settings: Settings, should_stop: Callable[[], bool]
    ) -> None:
        self._database, self._trial = database, trial
        self.number: int = trial.number
        self.params: dict[str, Any] = dict(trial.params)
        self.settings = settings
        self._should_stop = should_stop

    def should_stop(self) -> bool:
        """Check whether the objective should save its progress and raise HandBack."""
        return self._should_stop()

    def report(self, step: int, value: float, *, may_prune: bool = True) -> None:
        """Report the value of a step, from 1; a later value of the same step replaces it.

        Raises:
            Pruned: the study's pruner ends the trial.
        """
        self._database.patiently(lambda: optuna_tables.report_value(self._trial, step, value))
        if may_prune and self._database.patiently(lambda: optuna_tables.should_prune(self._trial)):
            raise Pruned(f"the study's pruner ended it after step {step}")


def run_study(
    database: StudyDatabase,
    name: str,
    objective: Callable[[RunningTrial], float],
    *,
    sampler: str = "tpe",
    max_failed_retries: int = 3,
    timeout_s: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_end: Callable[[int], None] = lambda _number: None,
) -> RunSummary:
    """Run trials of a study until none is left for this worker.

    Any number of workers may run at the same time. If a worker dies, another runs its trial with the same
    hyperparameters. A worker leaves when no trial waits and every running trial has had a heartbeat since; or when
    five different trials have failed one after another, which may succeed on other machines.

    Args:
        database: database that holds the study.
        name: name of the study.
        objective: returns the value of a trial; lower is better.
        sampler: one of `study.SAMPLERS`.
        max_failed_retries: number of times that a trial is retried after its worker died or its objective failed;
            then it is pruned.
        timeout_s: seconds after which the worker hands back its trial and leaves.
        stop: asked by objectives and between trials; if true, the worker hands back its trial and leaves.
        on_end: called with the number of each trial that is completed or pruned, once the database has its result.

    Raises:
        DatabaseError: the study does not exist, it or its database was deleted or replaced meanwhile, or the database
            has been down for too long.
    """
    study, study_id, plan = load_study(database, name)
    database.patient_for(_PATIENCE_S)
    queue = TrialQueue(database, study_id, worker_name())
    began = time.monotonic()

    def should_leave() -> bool:
        return stop() or (timeout_s is not None and time.monotonic() - began >= timeout_s)

    summary = RunSummary(study_name=name)
    with Heartbeat(database, queue, plan.heartbeat_s, max_failed_retries) as heartbeat:
        claiming = optuna_tables.ClaimingStudy(study, partial(make_sampler, sampler, name))
        worker = _Worker(
            database, queue, heartbeat, claiming, plan, objective, should_leave, max_failed_retries, on_end
        )
        while not should_leave():
            heartbeat.require_beating()
            require_study(database, name, study_id, plan)
            try:
                trial_id = queue.claim(worker.failed_in_a_row)
                if trial_id is None:
                    if _nothing_left(heartbeat, queue, database, plan.heartbeat_s, should_leave, summary):
                        require_study(database, name, study_id, plan)
                        return summary
                    continue
                worker.run(trial_id, summary)
                if len(worker.failed_in_a_row) >= _MAX_FAILURES_IN_A_ROW:
                    summary.gave_up = True
                    return summary
            except optuna.exceptions.UpdateFinishedTrialError:
                _logger.warning("a trial was finished by another program; the worker takes the next")
    heartbeat.require_beating()
    summary.stopped = True
    return summary


@dataclass
class _Worker:
    database: StudyDatabase
    queue: TrialQueue
    heartbeat: Heartbeat
    study: optuna_tables.ClaimingStudy
    plan: StudyPlan
    objective: Callable[[RunningTrial], float]
    should_leave: Callable[[], bool]
    max_failed_retries: int
    on_end: Callable[[int], None]
    failed_in_a_row: set[int] = field(default_factory=set)

    def run(self, trial_id: int, summary: RunSummary) -> None:
        """Run a trial that this worker has claimed."""
        self.heartbeat.beat_for(trial_id)
        name, number = f"trial {trial_id}", -1
        try:
            start = self.plan.start()
            trial, values = self.database.patiently(lambda: self._sample(trial_id, start))
            name, number = f"trial {trial.number}", trial.number
            running = RunningTrial(self.database, trial, settings_with(start, values), self._should_stop)
            running.params = values
            value = float(self.objective(running))
            self.failed_in_a_row.clear()
            if self.queue.end(trial_id, value):
                summary.num_completed += 1
                _logger.info("%s: %.4g", name, value)
                self.on_end(number)
                return
            _logger.warning("%s: was taken over by another worker", name)
        except ProcessLostError as error:
            reason = str(error)
            self.queue.hand_back(trial_id, died=True, max_retries=self.max_failed_retries, reason=reason)
            raise
        except (Pruned, UserError) as error:
            if isinstance(error, DatabaseError):
                raise
            self.failed_in_a_row.clear()
            if self.queue.end(trial_id, None, str(error)):
                summary.num_pruned += 1
                _logger.info("%s: pruned: %s", name, error)
                self.on_end(number)
        except HandBack:
            if self.queue.hand_back(trial_id):
                _logger.info("%s: handed back", name)
        except (OSError, KeyboardInterrupt, SystemExit):  # the machine is at fault, not the trial
            self.queue.hand_back(trial_id)
            raise
        except Exception as error:
            if self.database.is_trouble(error):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            _logger.warning("%s: failed (%s)", name, reason, exc_info=True)
            self.queue.hand_back(trial_id, died=True, max_retries=self.max_failed_retries, reason=reason)
            summary.num_failed += 1
            self.failed_in_a_row.add(trial_id)
        finally:
            self.heartbeat.beat_for(None)

    def _should_stop(self) -> bool:
        return self.heartbeat.lost or self.should_leave()

    def _sample(self, trial_id: int, start: Settings) -> tuple[optuna.Trial, dict[str, Any]]:
        """Sample the hyperparameters that the database does not have for this trial; return all of them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            read_trials(self.database, self.study)  # so that Optuna's cache knows the trial
            trial = self.study.trial_of(trial_id)
            sample_values(trial, self.plan.dimensions, start)
        kept = self.database.storage.get_trial(trial_id).params
        return trial, {dimension.name: kept[dimension.name] for dimension in self.plan.dimensions}


def _nothing_left(
    heartbeat: Heartbeat,
    queue: TrialQueue,
    database: StudyDatabase,
    interval_s: float,
    should_leave: Callable[[], bool],
    summary: RunSummary,
) -> bool:
    """Wait until each trial of another worker has had a heartbeat, or has been taken from its dead worker.

    Returns:
        False if a trial waits again.
    """
    before = {trial_id: beat for trial_id, (beat, _, _) in database.patiently(queue.beats).items()}
    while before and not should_leave():
        time.sleep(min(0.25 * interval_s, 5.0) * (0.5 + random.random()))
        living = database.patiently(heartbeat.living)
        if queue.counts().get("WAITING"):
            return False
        before = {i: beat for i, beat in before.items() if i in living and living[i][0] == beat}
        summary.others = len(living)
    return not queue.counts().get("WAITING")
