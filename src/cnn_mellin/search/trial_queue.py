"""The trials of a study as a queue: each is taken by one worker at a time, and ended once.

A study has all its trials from the start, waiting. A worker takes one by making it run; the worker's name stands with
the trial, and only who is named there can give it back or end it. A trial whose worker died waits again, as the same
trial: so their number never changes, and those that count are exactly as many as `init` made.
"""

from __future__ import annotations

import json
import math
import os
import socket
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from cnn_mellin.search.database_url import DatabaseError, shown_url
from cnn_mellin.search.storage import StudyDatabase

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

__all__ = ["DEATHS", "FAILURE", "GIVEN_UP", "HANDED_BACK", "REASON", "WORKER", "TrialQueue", "worker_name"]

# User attributes of trials; the stock tools show them.
WORKER, DEATHS, HANDED_BACK, REASON = "worker", "worker_deaths", "handed_back", "reason"
FAILURE = "last_failure"
GIVEN_UP = "given up after"
"""How the reason of a trial begins that failed too often."""
_CANDIDATES = 16


def worker_name() -> str:
    """A name for this worker that no other has: host, process and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class TrialQueue:
    """A study's trials, for one worker.

    Args:
        database: that holds them.
        study_id: of the study.
        worker: name of this worker.
    """

    def __init__(self, database: StudyDatabase, study_id: int, worker: str) -> None:
        from optuna.storages._rdb import models

        self._database, self._study_id, self.worker = database, study_id, worker
        self._trials: Table = models.TrialModel.__table__
        self._beats: Table = models.TrialHeartbeatModel.__table__
        self._user: Table = models.TrialUserAttributeModel.__table__
        self._system: Table = models.TrialSystemAttributeModel.__table__
        self._steps: Table = models.TrialIntermediateValueModel.__table__
        self._values: Table = models.TrialValueModel.__table__
        self._finite = models.TrialValueModel.TrialValueType.FINITE

    def claim(self, rather_not: Collection[int] = ()) -> int | None:
        """Take a waiting trial; its id, or None where none waits.

        Args:
            rather_not: trials that are taken only where no other waits.
        """
        return self._database.patiently(lambda: self._claim(sorted(rather_not)))

    def _claim(self, rather_not: Sequence[int]) -> int | None:
        from optuna.trial import TrialState
        from sqlalchemy import select

        trials, user = self._trials, self._user
        of_study = (trials.c.study_id == self._study_id,)
        mine = (
            select(trials.c.trial_id)
            .join(user, user.c.trial_id == trials.c.trial_id)
            .where(*of_study, trials.c.state == TrialState.RUNNING)
            .where(user.c.key == WORKER, user.c.value_json == json.dumps(self.worker))
        )
        waiting = select(trials.c.trial_id).where(*of_study, trials.c.state == TrialState.WAITING)
        waiting = waiting.order_by(trials.c.trial_id.in_(rather_not), trials.c.trial_id).limit(_CANDIDATES)
        while True:
            with self._database.begin() as connection:
                # Where the connection was lost during a commit, nobody said that the trial had been taken.
                taken = connection.execute(mine).scalars().first()
                candidates = list(connection.execute(waiting).scalars())
            if taken is not None:
                return int(taken)
            if not candidates:
                return None
            for trial_id in candidates:
                if self._take(trial_id):
                    return int(trial_id)

    def _take(self, trial_id: int) -> bool:
        from optuna.trial import TrialState

        trials = self._trials
        with self._database.begin() as connection:
            this = (trials.c.trial_id == trial_id, trials.c.state == TrialState.WAITING)
            change = trials.update().where(*this).values(state=TrialState.RUNNING, datetime_start=self._now())
            if connection.execute(change).rowcount != 1:
                return False
            self._set_attribute(connection, trial_id, WORKER, self.worker)
            self._beat(connection, trial_id)
            # What an earlier attempt reported is reported again, as far as it is not lost.
            connection.execute(self._steps.delete().where(self._steps.c.trial_id == trial_id))
            rungs = self._system.c.key.like("completed_rung_%")
            connection.execute(self._system.delete().where(self._system.c.trial_id == trial_id, rungs))
        return True

    def beat(self, trial_id: int) -> bool:
        """Say that the worker is alive; false where the trial is no longer its own. It is tried once."""
        with self._database.begin() as connection:
            if not self._is_mine(connection, trial_id):
                return False
            self._beat(connection, trial_id)
        return True

    def end(self, trial_id: int, value: float | None, reason: str = "") -> bool:
        """End a trial: completed with a value, or pruned for a reason; false where it is no longer this worker's."""
        from optuna.trial import TrialState

        def work() -> bool:
            if value is not None and not math.isfinite(value):
                raise ValueError(f"value is {value}; a trial is completed with a finite value")
            state = TrialState.PRUNED if value is None else TrialState.COMPLETE
            with self._database.begin() as connection:
                if not self._is_mine(connection, trial_id):
                    return self._was_mine(connection, trial_id, state)
                if value is not None:
                    row = {"trial_id": trial_id, "objective": 0, "value": value, "value_type": self._finite}
                    connection.execute(self._values.insert().values(row))
                if reason:
                    self._set_attribute(connection, trial_id, REASON, reason[:1000])
                self._change(connection, trial_id, state=state, datetime_complete=self._now())
            return True

        return self._database.patiently(work)

    def hand_back(self, trial_id: int, *, died: bool = False, max_retries: int = 0, reason: str = "") -> bool:
        """Let a trial wait again, to be gone on with by any worker; false where it is no longer this worker's.

        Args:
            trial_id: the trial.
            died: the attempt failed; beyond `max_retries` failures the trial is pruned.
            max_retries: see there.
            reason: of the failure.
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
        """Running trials of workers: id -> when its worker last said that it is alive, seconds since, its name."""
        from optuna.trial import TrialState
        from sqlalchemy import select

        trials, beats, user = self._trials, self._beats, self._user
        query = (
            select(trials.c.trial_id, beats.c.heartbeat, user.c.value_json)
            .join(beats, beats.c.trial_id == trials.c.trial_id)
            .join(user, user.c.trial_id == trials.c.trial_id)
            .where(trials.c.study_id == self._study_id, trials.c.state == TrialState.RUNNING, user.c.key == WORKER)
        )
        with self._database.begin() as connection:
            now: Any = connection.execute(select(self._now())).scalar()
            rows = connection.execute(query).all()
        now = now.replace(tzinfo=None)
        return {
            trial_id: (beat, (now - beat).total_seconds(), str(self._parsed(worker, trial_id, WORKER)))
            for trial_id, beat, worker in rows
        }

    def take_from_dead(self, trial_id: int, last_beat: datetime, max_retries: int) -> bool:
        """Let a trial wait again whose worker is dead; beyond `max_retries` deaths it is pruned.

        Args:
            trial_id: the trial.
            last_beat: false is returned where there has been another since.
            max_retries: see above.
        """
        from optuna.trial import TrialState
        from sqlalchemy import select

        with self._database.begin() as connection:
            self._lock(connection, trial_id)
            state = connection.execute(select(self._trials.c.state).where(self._trials.c.trial_id == trial_id)).scalar()
            beat = connection.execute(
                select(self._beats.c.heartbeat).where(self._beats.c.trial_id == trial_id)
            ).scalar()
            if state != TrialState.RUNNING or beat != last_beat:
                return False
            self._count_death(connection, trial_id, max_retries, "its worker died")
        return True

    def counts(self) -> Mapping[str, int]:
        """State (as Optuna names it) -> trials."""
        from sqlalchemy import func, select

        def work() -> dict[str, int]:
            state = self._trials.c.state
            query = select(state, func.count()).where(self._trials.c.study_id == self._study_id).group_by(state)
            with self._database.begin() as connection:
                return {row[0].name: row[1] for row in connection.execute(query)}

        return self._database.patiently(work)

    def _count_death(self, connection: Connection, trial_id: int, max_retries: int, reason: str) -> None:
        from optuna.trial import TrialState

        deaths = self._count(connection, trial_id, DEATHS) + 1
        self._set_attribute(connection, trial_id, FAILURE, reason[:1000])
        if deaths <= max_retries:
            self._count_and_wait(connection, trial_id, DEATHS)
            return
        self._set_attribute(connection, trial_id, DEATHS, deaths)
        self._set_attribute(connection, trial_id, REASON, f"{GIVEN_UP} {deaths} failures: {reason}"[:1000])
        self._change(connection, trial_id, state=TrialState.PRUNED, datetime_complete=self._now())

    def _count_and_wait(self, connection: Connection, trial_id: int, counter: str) -> None:
        from optuna.trial import TrialState

        self._set_attribute(connection, trial_id, counter, self._count(connection, trial_id, counter) + 1)
        self._change(connection, trial_id, state=TrialState.WAITING)

    def _lock(self, connection: Connection, trial_id: int) -> None:
        """Wait until no other transaction changes the trial, and let none until this one has ended."""
        trials = self._trials
        connection.execute(trials.update().where(trials.c.trial_id == trial_id).values(number=trials.c.number))

    def _is_mine(self, connection: Connection, trial_id: int) -> bool:
        from optuna.trial import TrialState
        from sqlalchemy import select

        self._lock(connection, trial_id)
        state = connection.execute(select(self._trials.c.state).where(self._trials.c.trial_id == trial_id)).scalar()
        return state == TrialState.RUNNING and self._attribute(connection, trial_id, WORKER) == self.worker

    def _was_mine(self, connection: Connection, trial_id: int, state: Any) -> bool:
        """Whether this worker ended the trial so: the connection was lost during the commit, which counted."""
        from sqlalchemy import select

        found = connection.execute(select(self._trials.c.state).where(self._trials.c.trial_id == trial_id)).scalar()
        return found == state and self._attribute(connection, trial_id, WORKER) == self.worker

    def _change(self, connection: Connection, trial_id: int, **values: Any) -> None:
        connection.execute(self._trials.update().where(self._trials.c.trial_id == trial_id).values(**values))

    def _beat(self, connection: Connection, trial_id: int) -> None:
        change = self._beats.update().where(self._beats.c.trial_id == trial_id).values(heartbeat=self._now())
        if connection.execute(change).rowcount == 0:
            connection.execute(self._beats.insert().values(trial_id=trial_id, heartbeat=self._now()))

    def _attribute(self, connection: Connection, trial_id: int, key: str) -> Any:
        from sqlalchemy import select

        query = select(self._user.c.value_json).where(self._user.c.trial_id == trial_id, self._user.c.key == key)
        found = connection.execute(query).scalar()
        return None if found is None else self._parsed(found, trial_id, key)

    def _count(self, connection: Connection, trial_id: int, key: str) -> int:
        found = self._attribute(connection, trial_id, key)
        if found is not None and (not isinstance(found, int) or found < 0):
            self._fail(trial_id, key, f"is {found!r}, not a number of times")
        return found or 0

    def _parsed(self, text: str, trial_id: int, key: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            self._fail(trial_id, key, f"is no JSON ({error})")

    def _fail(self, trial_id: int, key: str, why: str) -> NoReturn:
        url = shown_url(self._database.url)
        remedy = "delete the attribute, or begin another study with `optim ... init`"
        raise DatabaseError(
            f"{url}: the attribute {key!r} of the trial with the id {trial_id} {why}; {remedy}"
        ) from None

    def _set_attribute(self, connection: Connection, trial_id: int, key: str, value: Any) -> None:
        text = json.dumps(value)
        this = (self._user.c.trial_id == trial_id, self._user.c.key == key)
        if connection.execute(self._user.update().where(*this).values(value_json=text)).rowcount == 0:
            connection.execute(self._user.insert().values(trial_id=trial_id, key=key, value_json=text))

    def _now(self) -> ColumnElement[Any]:
        """The database's time in UTC: clocks of machines and time zones of sessions do not matter."""
        from sqlalchemy import DateTime, func

        dialect = self._database.engine.dialect.name
        if dialect == "postgresql":
            return func.timezone("UTC", func.clock_timestamp(), type_=DateTime())
        if dialect == "mysql":
            return func.utc_timestamp(type_=DateTime())
        return func.current_timestamp(type_=DateTime())
