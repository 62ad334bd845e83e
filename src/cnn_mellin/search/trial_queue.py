"""The trials of a study as a queue: one worker at a time runs a trial, and each trial is finished once.

All trials of a study exist from the start and wait. A worker claims a trial by making it run and writing its own name
beside it; only the worker named there can finish the trial or hand it back. A trial whose worker died waits again, as
the same trial. So a study always has exactly as many trials as it was created with.
"""

from __future__ import annotations

import json
import math
import os
import socket
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from optuna.trial import TrialState

from cnn_mellin.search import optuna_tables as tables
from cnn_mellin.search.database_url import DatabaseError, shown_url
from cnn_mellin.search.storage import StudyDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["DEATHS", "FAILURE", "GIVEN_UP", "HANDED_BACK", "REASON", "WORKER", "TrialQueue", "worker_name"]

# User attributes of trials, which Optuna's own tools show.
WORKER, DEATHS, HANDED_BACK, REASON = "worker", "worker_deaths", "handed_back", "reason"
FAILURE = "last_failure"
GIVEN_UP = "given up after"
"""First words of the reason of a trial that was pruned because it failed too often."""
_NUM_CANDIDATES = 16
_MAX_REASON_LENGTH = 1000


def worker_name() -> str:
    """A unique name for this worker: host, process and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class TrialQueue:
    """The trials of a study, as one worker claims and finishes them.

    Args:
        database: database that holds the study.
        study_id: Optuna's id of the study.
        worker: name of this worker.
    """

    def __init__(self, database: StudyDatabase, study_id: int, worker: str) -> None:
        self._database, self._study_id, self.worker = database, study_id, worker

    def claim(self, rather_not: Collection[int] = ()) -> int | None:
        """Claim a waiting trial; returns its id, or None if no trial waits.

        Args:
            rather_not: trials that are claimed only if no other trial waits.
        """
        return self._database.patiently(lambda: self._claim(rather_not))

    def _claim(self, rather_not: Collection[int]) -> int | None:
        while True:
            with self._database.begin() as connection:
                # A connection lost during a commit may have left a trial that this worker claimed unknowingly.
                claimed = tables.claimed_trial(connection, self._study_id, WORKER, json.dumps(self.worker))
                candidates = tables.waiting_trials(connection, self._study_id, rather_not, _NUM_CANDIDATES)
            if claimed is not None:
                return int(claimed)
            if not candidates:
                return None
            for trial_id in candidates:
                if self._take(trial_id):
                    return int(trial_id)

    def _take(self, trial_id: int) -> bool:
        with self._database.begin() as connection:
            if not tables.start_trial(connection, trial_id):
                return False
            tables.set_attribute(connection, trial_id, WORKER, self.worker)
            tables.write_beat(connection, trial_id)
        return True

    def beat(self, trial_id: int) -> bool:
        """Write a heartbeat, without retries; False if the trial is no longer this worker's."""
        with self._database.begin() as connection:
            if not self._is_mine(connection, trial_id):
                return False
            tables.write_beat(connection, trial_id)
        return True

    def end(self, trial_id: int, value: float | None, reason: str = "") -> bool:
        """Finish a trial: complete it with a value, or prune it for a reason.

        Returns:
            False if the trial is no longer this worker's.
        """

        def work() -> bool:
            if value is not None and not math.isfinite(value):
                raise ValueError(f"value is {value}; a trial is completed with a finite value")
            with self._database.begin() as connection:
                if not self._is_mine(connection, trial_id):
                    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
                    return self._was_mine(connection, trial_id, state)
                if reason:
                    tables.set_attribute(connection, trial_id, REASON, reason[:_MAX_REASON_LENGTH])
                tables.finish_trial(connection, trial_id, value)
            return True

        return self._database.patiently(work)

    def hand_back(self, trial_id: int, *, died: bool = False, max_retries: int = 0, reason: str = "") -> bool:
        """Let a trial wait again, so that any worker can resume it.

        Args:
            trial_id: id of the trial.
            died: the attempt failed.
            max_retries: number of failures beyond which the trial is pruned instead.
            reason: reason of the failure.

        Returns:
            False if the trial is no longer this worker's.
        """

        def work() -> bool:
            with self._database.begin() as connection:
                if not self._is_mine(connection, trial_id):
                    return False
                if died:
                    self._count_death(connection, trial_id, max_retries, reason)
                else:
                    self._count_and_wait(connection, trial_id, HANDED_BACK)
            return True

        return self._database.patiently(work)

    def beats(self) -> dict[int, tuple[datetime, float, str]]:
        """Id of each running trial -> time of its last heartbeat, seconds since then, and name of its worker."""
        with self._database.begin() as connection:
            now = tables.utc_now(connection)
            rows = tables.running_trials(connection, self._study_id, WORKER)
        return {
            trial_id: (beat, (now - beat).total_seconds(), str(self._parsed(worker, trial_id, WORKER)))
            for trial_id, beat, worker in rows
        }

    def take_from_dead(self, trial_id: int, last_beat: datetime, max_retries: int) -> bool:
        """Let a trial wait again whose worker is dead.

        Args:
            trial_id: id of the trial.
            last_beat: time of the last known heartbeat.
            max_retries: number of failures beyond which the trial is pruned instead.

        Returns:
            False if the trial does not run any more, or has had another heartbeat since.
        """
        with self._database.begin() as connection:
            tables.lock_trial(connection, trial_id)
            state = tables.trial_state(connection, trial_id)
            if state != TrialState.RUNNING or tables.last_beat(connection, trial_id) != last_beat:
                return False
            self._count_death(connection, trial_id, max_retries, "its worker died")
        return True

    def counts(self) -> Mapping[str, int]:
        """State, as Optuna names it -> number of trials."""

        def work() -> dict[str, int]:
            with self._database.begin() as connection:
                return tables.state_counts(connection, self._study_id)

        return self._database.patiently(work)

    def _count_death(self, connection: Connection, trial_id: int, max_retries: int, reason: str) -> None:
        deaths = self._count(connection, trial_id, DEATHS) + 1
        tables.set_attribute(connection, trial_id, FAILURE, reason[:_MAX_REASON_LENGTH])
        if deaths <= max_retries:
            self._count_and_wait(connection, trial_id, DEATHS)
            return
        given_up = f"{GIVEN_UP} {deaths} failures: {reason}"
        tables.set_attribute(connection, trial_id, DEATHS, deaths)
        tables.set_attribute(connection, trial_id, REASON, given_up[:_MAX_REASON_LENGTH])
        tables.finish_trial(connection, trial_id, None)

    def _count_and_wait(self, connection: Connection, trial_id: int, counter: str) -> None:
        tables.set_attribute(connection, trial_id, counter, self._count(connection, trial_id, counter) + 1)
        tables.make_trial_wait(connection, trial_id)

    def _is_mine(self, connection: Connection, trial_id: int) -> bool:
        tables.lock_trial(connection, trial_id)
        return self._was_mine(connection, trial_id, TrialState.RUNNING)

    def _was_mine(self, connection: Connection, trial_id: int, state: TrialState) -> bool:
        """Check whether a trial has this state and this worker; its commit may have counted if its answer was lost."""
        found = tables.trial_state(connection, trial_id)
        return found == state and self._attribute(connection, trial_id, WORKER) == self.worker

    def _attribute(self, connection: Connection, trial_id: int, key: str) -> Any:
        found = tables.attribute_json(connection, trial_id, key)
        return None if found is None else self._parsed(found, trial_id, key)

    def _count(self, connection: Connection, trial_id: int, key: str) -> int:
        found = self._attribute(connection, trial_id, key)
        if found is not None and (not isinstance(found, int) or found < 0):
            self._fail(trial_id, key, f"is {found!r}, but must be a whole number from 0")
        return found or 0

    def _parsed(self, text: str, trial_id: int, key: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            self._fail(trial_id, key, f"is not JSON ({error})")

    def _fail(self, trial_id: int, key: str, why: str) -> NoReturn:
        url = shown_url(self._database.url)
        remedy = "delete the attribute, or create another study with `optim ... init`"
        raise DatabaseError(f"{url}: attribute {key!r} of the trial with id {trial_id} {why}; {remedy}") from None
