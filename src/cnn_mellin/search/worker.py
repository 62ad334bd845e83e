"""A worker of a study: takes trial after trial until none is left."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cnn_mellin.config.settings import Settings
from cnn_mellin.errors import UserError
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.heartbeat import Heartbeat
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import draw, settings_of_draw
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import load_study, make_sampler, read_trials, require_study
from cnn_mellin.search.trial_queue import TrialQueue, worker_name

if TYPE_CHECKING:
    import optuna

__all__ = ["HandBack", "Pruned", "RunSummary", "RunningTrial", "run_study"]

# For how long a worker waits for a database that is away, once it has begun.
_PATIENCE_S = 900.0
# As many different trials that fail one after another are the machine's fault, not theirs.
_MOST_FAILURES_IN_A_ROW = 5


class Pruned(Exception):  # noqa: N818 (nothing went wrong)
    """Raised by an objective that ends its trial early; its text is the reason."""


class HandBack(Exception):  # noqa: N818 (nothing went wrong)
    """Raised by an objective that was told to stop, and has saved what it has."""


@dataclass
class RunSummary:
    """What a worker did.

    Args:
        num_completed, num_pruned, num_failed: trials that it ended, and attempts that failed.
        stopped: it left because it was told to.
        gave_up: it left because five different trials failed here, one after another.
        others: trials that other workers were running when it left.
    """

    num_completed: int = 0
    num_pruned: int = 0
    num_failed: int = 0
    stopped: bool = False
    gave_up: bool = False
    others: int = 0


class RunningTrial:
    """A trial as its objective sees it.

    Attributes:
        number: of the trial, from 0.
        params: name -> value that was drawn.
        settings: with these values.
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
        """Whether to save and raise HandBack."""
        return self._should_stop()

    def report(self, step: int, value: float, *, may_prune: bool = True) -> None:
        """Keep a value of a step, from 1 (a later one of the same step takes its place).

        Raises:
            Pruned: the study's pruner ends the trial.
        """
        storage = self._trial.storage
        self._database.patiently(lambda: storage.set_trial_intermediate_value(self._trial._trial_id, step, value))
        if may_prune and self._database.patiently(lambda: _prunes(self._trial)):
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
    say: Callable[[str], None] = lambda _line: None,
    on_end: Callable[[int], None] = lambda _number: None,
) -> RunSummary:
    """Run trials of a study until none is left for this worker.

    Any number of workers may run at once. Trials whose worker dies are done again with the same draw. A worker leaves
    once no trial waits and those that run have all given a sign of life since; or once five different trials have
    failed one after another, as others may have better luck with them.

    Args:
        database: that has the study.
        name: of the study.
        objective: gives a trial's value, lower is better.
        sampler: one of `study.SAMPLERS`.
        max_failed_retries: of a trial whose workers died or whose objective failed; then it is pruned.
        timeout_s: after which the running trial is handed back, and the worker leaves.
        stop: asked by objectives and between trials whether to hand back and leave.
        say: called with lines that the user should see.
        on_end: called with the number of a trial that is completed or pruned, once the database has it.

    Raises:
        DatabaseError: there is no such study, it or its database was deleted or replaced meanwhile, or the database has
            been away for too long.
    """
    import optuna

    study, study_id, plan = load_study(database, name)
    database.patient_for(_PATIENCE_S)
    queue = TrialQueue(database, study_id, worker_name())
    began = time.monotonic()

    def told() -> bool:
        return stop() or (timeout_s is not None and time.monotonic() - began >= timeout_s)

    summary = RunSummary()
    with Heartbeat(database, queue, plan.heartbeat_s, max_failed_retries, say) as heartbeat:
        claiming = _claiming(database, study, partial(make_sampler, sampler, name))
        worker = _Worker(database, queue, heartbeat, claiming, plan, objective, told, max_failed_retries, on_end)
        while not told():
            heartbeat.require_beating()
            require_study(database, name, study_id, plan)
            try:
                trial_id = queue.claim(worker.failed_in_a_row)
                if trial_id is None:
                    if _others_live(heartbeat, queue, database, plan.heartbeat_s, told, summary):
                        require_study(database, name, study_id, plan)
                        return summary
                    continue
                worker.run(trial_id, summary, say)
                if len(worker.failed_in_a_row) >= _MOST_FAILURES_IN_A_ROW:
                    summary.gave_up = True
                    return summary
            except optuna.exceptions.UpdateFinishedTrialError:
                say("a trial was ended by something else; going on with the next")
    heartbeat.require_beating()
    summary.stopped = True
    return summary


@dataclass
class _Worker:
    database: StudyDatabase
    queue: TrialQueue
    heartbeat: Heartbeat
    study: Any
    plan: StudyPlan
    objective: Callable[[RunningTrial], float]
    told: Callable[[], bool]
    max_failed_retries: int
    on_end: Callable[[int], None]
    failed_in_a_row: set[int] = field(default_factory=set)

    def run(self, trial_id: int, summary: RunSummary, say: Callable[[str], None]) -> None:
        """Run a trial that this worker has claimed."""
        self.heartbeat.beat_for(trial_id)
        name, number = f"trial {trial_id}", -1
        try:
            start = self.plan.start()
            trial, values = self.database.patiently(lambda: self._draw(trial_id, start))
            name, number = f"trial {trial.number}", trial.number
            running = RunningTrial(self.database, trial, settings_of_draw(start, values), self._should_stop)
            running.params = values
            value = float(self.objective(running))
            self.failed_in_a_row.clear()
            if self.queue.end(trial_id, value):
                summary.num_completed += 1
                say(f"{name}: {value:.4g}")
                self.on_end(number)
                return
            say(f"{name}: was taken over by another worker")
        except (Pruned, UserError) as error:
            if isinstance(error, DatabaseError):
                raise
            self.failed_in_a_row.clear()
            if self.queue.end(trial_id, None, str(error)):
                summary.num_pruned += 1
                say(f"{name}: pruned: {error}")
                self.on_end(number)
        except HandBack:
            if self.queue.hand_back(trial_id):
                say(f"{name}: handed back")
        except (OSError, KeyboardInterrupt, SystemExit):  # something is wrong with this machine, not with the trial
            self.queue.hand_back(trial_id)
            raise
        except Exception as error:
            if self.database.is_trouble(error):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            say(f"{name}: failed ({reason})\n{traceback.format_exc()}")
            self.queue.hand_back(trial_id, died=True, max_retries=self.max_failed_retries, reason=reason)
            summary.num_failed += 1
            self.failed_in_a_row.add(trial_id)
        finally:
            self.heartbeat.beat_for(None)

    def _should_stop(self) -> bool:
        return self.heartbeat.lost or self.told()

    def _draw(self, trial_id: int, start: Settings) -> tuple[Any, dict[str, Any]]:
        """Draw what has not been drawn for this trial, and take what the database has."""
        import warnings

        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self.study.ask_for(trial_id)
            draw(trial, self.plan.dimensions, start)
        kept = self.database.storage.get_trial(trial_id).params
        return trial, {dimension.name: kept[dimension.name] for dimension in self.plan.dimensions}


def _claiming(
    database: StudyDatabase, study: optuna.Study, sampler_of: Callable[[int], optuna.samplers.BaseSampler]
) -> Any:
    """The same study, whose trials are those of the queue, each with a sampler of its own."""
    import optuna

    class ClaimingStudy(optuna.Study):
        claimed: int | None = None

        def ask_for(self, trial_id: int) -> optuna.Trial:
            self.claimed = trial_id
            self.sampler = sampler_of(self._storage.get_trial_number_from_id(trial_id))
            read_trials(database, self)  # so that Optuna's cache knows the trial
            return self.ask()

        def _pop_waiting_trial_id(self) -> int | None:
            return self.claimed

    return ClaimingStudy(study.study_name, study._storage, pruner=study.pruner)


def _prunes(trial: optuna.Trial) -> bool:
    # What was reported went to the database alone: the pruner must see it.
    trial._cached_frozen_trial = trial.storage.get_trial(trial._trial_id)
    trial.study._thread_local.cached_all_trials = None
    return bool(trial.should_prune())


def _others_live(
    heartbeat: Heartbeat,
    queue: TrialQueue,
    database: StudyDatabase,
    interval_s: float,
    told: Callable[[], bool],
    summary: RunSummary,
) -> bool:
    """Wait until each trial that runs elsewhere has given a sign of life, or has been taken from its dead worker.

    Returns:
        False where a trial waits again.
    """
    before = {trial_id: beat for trial_id, (beat, _, _) in database.patiently(queue.beats).items()}
    while before and not told():
        time.sleep(min(0.25 * interval_s, 5.0) * (0.5 + random.random()))
        living = database.patiently(heartbeat.living)
        if queue.counts().get("WAITING"):
            return False
        before = {i: beat for i, beat in before.items() if i in living and living[i][0] == beat}
        summary.others = len(living)
    return not queue.counts().get("WAITING")
