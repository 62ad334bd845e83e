"""The only file that uses Optuna's private parts: its database tables, and names that begin with an underscore.

Optuna has no public way to run a given trial, or to change a trial together with its attributes in one transaction;
docs/decisions/0004-search-storage.md explains why both are needed. `require_known_optuna` compares the names used here
with those of the installed version. Functions that take a connection work inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import ColumnElement, DateTime, Table, func, select

from cnn_mellin.extras import install_command
from cnn_mellin.search.database_url import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

__all__ = [
    "TRIALS_TABLE",
    "ClaimingStudy",
    "attribute_json",
    "claimed_trial",
    "finish_trial",
    "insert_study",
    "last_beat",
    "lock_trial",
    "make_trial_wait",
    "plan_json",
    "planned_study_names",
    "report_value",
    "require_known_optuna",
    "running_trials",
    "set_attribute",
    "should_prune",
    "start_trial",
    "state_counts",
    "study_id_of",
    "trial_state",
    "utc_now",
    "waiting_trials",
    "write_beat",
]

_STUDIES: Table = models.StudyModel.__table__
_DIRECTIONS: Table = models.StudyDirectionModel.__table__
_STUDY_ATTRIBUTES: Table = models.StudyUserAttributeModel.__table__
_TRIALS: Table = models.TrialModel.__table__
_BEATS: Table = models.TrialHeartbeatModel.__table__
_ATTRIBUTES: Table = models.TrialUserAttributeModel.__table__
_SYSTEM_ATTRIBUTES: Table = models.TrialSystemAttributeModel.__table__
_REPORTS: Table = models.TrialIntermediateValueModel.__table__
_VALUES: Table = models.TrialValueModel.__table__

TRIALS_TABLE = "trials"
"""Name of a table that every database of Optuna has."""
_PLAN = "cnn_mellin"  # study attribute that holds the plan
_FIXED, _RUNGS = "fixed_params", "completed_rung_%"  # system attributes: enqueued values, and the pruner's notes

# Table -> columns that this file uses.
_COLUMNS = {
    "studies": "study_id study_name",
    "study_directions": "study_id objective direction",
    "study_user_attributes": "study_id key value_json",
    "trials": "trial_id number study_id state datetime_start datetime_complete",
    "trial_heartbeats": "trial_id heartbeat",
    "trial_user_attributes": "trial_id key value_json",
    "trial_system_attributes": "trial_id key value_json",
    "trial_intermediate_values": "trial_id",
    "trial_values": "trial_id objective value value_type",
}


def require_known_optuna(tables: Iterable[Table] | None = None) -> None:
    """Check that the installed Optuna has the tables, columns and private names that this file uses.

    Args:
        tables: Optuna's tables; by default those of the installed version.

    Raises:
        DatabaseError: some are missing; the message lists them.
    """
    tables = models.BaseModel.metadata.tables.values() if tables is None else tables
    found = {table.name: set(table.columns.keys()) for table in tables}
    missing = [
        f"the column {column} of the table {table}"
        for table, columns in _COLUMNS.items()
        for column in columns.split()
        if column not in found.get(table, ())
    ]
    storage = optuna.storages.InMemoryStorage()
    storage.create_new_study([StudyDirection.MINIMIZE], "probe")
    study = optuna.Study("probe", storage)
    trial = study.ask()
    private: list[tuple[object, str]] = [
        (study, "_storage"),
        (study, "_pop_waiting_trial_id"),
        (study, "_thread_local"),
    ]
    private += [(trial, "_trial_id"), (trial, "_cached_frozen_trial")]
    missing += [f"{type(owner).__name__}.{name}" for owner, name in private if not hasattr(owner, name)]
    if not hasattr(getattr(study, "_thread_local", None), "cached_all_trials"):
        missing.append("Study._thread_local.cached_all_trials")
    if missing:
        raise DatabaseError(
            f"Optuna {optuna.__version__} lacks {', '.join(missing)}, which searches use; {install_command(['search'])}"
        )


class ClaimingStudy(optuna.Study):
    """An Optuna study whose next trial is the one that the queue has claimed, with a sampler of its own.

    Args:
        study: Optuna's study.
        sampler_of: makes the sampler of a trial from its number.
    """

    def __init__(self, study: optuna.Study, sampler_of: Callable[[int], optuna.samplers.BaseSampler]) -> None:
        super().__init__(study.study_name, study._storage, pruner=study.pruner)
        self._sampler_of = sampler_of
        self._claimed: int | None = None

    def trial_of(self, trial_id: int) -> optuna.Trial:
        """Optuna's trial for the id of a claimed one."""
        self._claimed = trial_id
        self.sampler = self._sampler_of(self._storage.get_trial_number_from_id(trial_id))
        return self.ask()

    def _pop_waiting_trial_id(self) -> int | None:
        return self._claimed


def report_value(trial: optuna.Trial, step: int, value: float) -> None:
    """Write an intermediate value of a trial; unlike `Trial.report`, it replaces an earlier one of the same step."""
    trial.storage.set_trial_intermediate_value(trial._trial_id, step, value)


def should_prune(trial: optuna.Trial) -> bool:
    """Ask the study's pruner about a trial, with what `report_value` has written."""
    # report_value bypasses the copies that Trial and Study keep, so they are read again.
    trial._cached_frozen_trial = trial.storage.get_trial(trial._trial_id)
    trial.study._thread_local.cached_all_trials = None
    return bool(trial.should_prune())


def insert_study(
    connection: Connection, name: str, plan: str, num_trials: int, first_values: Mapping[str, Any]
) -> None:
    """Insert a study that is minimised, its plan, and all its trials, which wait.

    Args:
        connection: open transaction.
        name: name of the study.
        plan: the plan as JSON.
        num_trials: number of trials.
        first_values: hyperparameter -> value for the first trial; the sampler chooses the others.
    """
    connection.execute(_STUDIES.insert().values(study_name=name))
    study_id = study_id_of(connection, name)
    direction = {"study_id": study_id, "objective": 0, "direction": StudyDirection.MINIMIZE}
    connection.execute(_DIRECTIONS.insert().values(direction))
    connection.execute(_STUDY_ATTRIBUTES.insert().values(study_id=study_id, key=_PLAN, value_json=plan))
    waiting = {"study_id": study_id, "state": TrialState.WAITING}
    connection.execute(_TRIALS.insert(), [waiting | {"number": number} for number in range(num_trials)])
    if first_values:
        first = select(_TRIALS.c.trial_id).where(_TRIALS.c.study_id == study_id, _TRIALS.c.number == 0)
        trial_id, fixed = connection.execute(first).scalar(), json.dumps(dict(first_values))
        connection.execute(_SYSTEM_ATTRIBUTES.insert().values(trial_id=trial_id, key=_FIXED, value_json=fixed))


def study_id_of(connection: Connection, name: str) -> int | None:
    """Id of the study of that name, or None."""
    return connection.execute(select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == name)).scalar()


def plan_json(connection: Connection, study_id: int) -> str | None:
    """The plan of a study as JSON; None for a study that `insert_study` did not make."""
    attributes = _STUDY_ATTRIBUTES.c
    query = select(attributes.value_json).where(attributes.study_id == study_id, attributes.key == _PLAN)
    return connection.execute(query).scalar()


def planned_study_names(connection: Connection) -> list[str]:
    """Names of the studies that `insert_study` made, oldest first."""
    attributes = _STUDY_ATTRIBUTES
    query = select(_STUDIES.c.study_name).join(attributes, attributes.c.study_id == _STUDIES.c.study_id)
    query = query.where(attributes.c.key == _PLAN).order_by(_STUDIES.c.study_id)
    return list(connection.execute(query).scalars())


def waiting_trials(connection: Connection, study_id: int, rather_not: Collection[int], limit: int) -> list[int]:
    """Ids of waiting trials, oldest first; those in `rather_not` come last."""
    query = select(_TRIALS.c.trial_id).where(_TRIALS.c.study_id == study_id, _TRIALS.c.state == TrialState.WAITING)
    query = query.order_by(_TRIALS.c.trial_id.in_(sorted(rather_not)), _TRIALS.c.trial_id).limit(limit)
    return list(connection.execute(query).scalars())


def claimed_trial(connection: Connection, study_id: int, key: str, value_json: str) -> int | None:
    """Id of a running trial that has this user attribute, or None."""
    query = (
        select(_TRIALS.c.trial_id)
        .join(_ATTRIBUTES, _ATTRIBUTES.c.trial_id == _TRIALS.c.trial_id)
        .where(_TRIALS.c.study_id == study_id, _TRIALS.c.state == TrialState.RUNNING)
        .where(_ATTRIBUTES.c.key == key, _ATTRIBUTES.c.value_json == value_json)
    )
    return connection.execute(query).scalars().first()


def running_trials(connection: Connection, study_id: int, key: str) -> list[tuple[int, datetime, str]]:
    """Id, last heartbeat and the JSON of a user attribute, for each running trial that has both."""
    query = (
        select(_TRIALS.c.trial_id, _BEATS.c.heartbeat, _ATTRIBUTES.c.value_json)
        .join(_BEATS, _BEATS.c.trial_id == _TRIALS.c.trial_id)
        .join(_ATTRIBUTES, _ATTRIBUTES.c.trial_id == _TRIALS.c.trial_id)
        .where(_TRIALS.c.study_id == study_id, _TRIALS.c.state == TrialState.RUNNING, _ATTRIBUTES.c.key == key)
    )
    return [(trial_id, beat, value) for trial_id, beat, value in connection.execute(query)]


def state_counts(connection: Connection, study_id: int) -> dict[str, int]:
    """State, as Optuna names it -> number of trials of a study."""
    state = _TRIALS.c.state
    query = select(state, func.count()).where(_TRIALS.c.study_id == study_id).group_by(state)
    return {row[0].name: row[1] for row in connection.execute(query)}


def start_trial(connection: Connection, trial_id: int) -> bool:
    """Make a waiting trial run and delete what an earlier attempt reported; False if it does not wait."""
    this = (_TRIALS.c.trial_id == trial_id, _TRIALS.c.state == TrialState.WAITING)
    change = _TRIALS.update().where(*this).values(state=TrialState.RUNNING, datetime_start=_now(connection))
    if connection.execute(change).rowcount != 1:
        return False
    connection.execute(_REPORTS.delete().where(_REPORTS.c.trial_id == trial_id))
    rungs = _SYSTEM_ATTRIBUTES.c.key.like(_RUNGS)
    connection.execute(_SYSTEM_ATTRIBUTES.delete().where(_SYSTEM_ATTRIBUTES.c.trial_id == trial_id, rungs))
    return True


def lock_trial(connection: Connection, trial_id: int) -> None:
    """Wait for transactions that change a trial, and keep others from changing it until this one ends."""
    _change(connection, trial_id, number=_TRIALS.c.number)


def trial_state(connection: Connection, trial_id: int) -> TrialState | None:
    """State of a trial; None if there is no such trial."""
    return connection.execute(select(_TRIALS.c.state).where(_TRIALS.c.trial_id == trial_id)).scalar()


def make_trial_wait(connection: Connection, trial_id: int) -> None:
    """Put a running trial back into the queue."""
    _change(connection, trial_id, state=TrialState.WAITING)


def finish_trial(connection: Connection, trial_id: int, value: float | None) -> None:
    """Complete a trial with its value, or prune it if the value is None."""
    if value is not None:
        finite = models.TrialValueModel.TrialValueType.FINITE
        row = {"trial_id": trial_id, "objective": 0, "value": value, "value_type": finite}
        connection.execute(_VALUES.insert().values(row))
    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    _change(connection, trial_id, state=state, datetime_complete=_now(connection))


def write_beat(connection: Connection, trial_id: int) -> None:
    """Write the database's time as the last heartbeat of a trial."""
    change = _BEATS.update().where(_BEATS.c.trial_id == trial_id).values(heartbeat=_now(connection))
    if connection.execute(change).rowcount == 0:
        connection.execute(_BEATS.insert().values(trial_id=trial_id, heartbeat=_now(connection)))


def last_beat(connection: Connection, trial_id: int) -> datetime | None:
    """Time of the last heartbeat of a trial; None if it never had one."""
    return connection.execute(select(_BEATS.c.heartbeat).where(_BEATS.c.trial_id == trial_id)).scalar()


def attribute_json(connection: Connection, trial_id: int, key: str) -> str | None:
    """A user attribute of a trial as JSON, or None."""
    query = select(_ATTRIBUTES.c.value_json).where(_ATTRIBUTES.c.trial_id == trial_id, _ATTRIBUTES.c.key == key)
    return connection.execute(query).scalar()


def set_attribute(connection: Connection, trial_id: int, key: str, value: str | int) -> None:
    """Write a user attribute of a trial."""
    text = json.dumps(value)
    this = (_ATTRIBUTES.c.trial_id == trial_id, _ATTRIBUTES.c.key == key)
    if connection.execute(_ATTRIBUTES.update().where(*this).values(value_json=text)).rowcount == 0:
        connection.execute(_ATTRIBUTES.insert().values(trial_id=trial_id, key=key, value_json=text))


def utc_now(connection: Connection) -> datetime:
    """The database's time in UTC, without a time zone."""
    now: Any = connection.execute(select(_now(connection))).scalar()
    time: datetime = now.replace(tzinfo=None)
    return time


def _change(connection: Connection, trial_id: int, **values: Any) -> None:
    connection.execute(_TRIALS.update().where(_TRIALS.c.trial_id == trial_id).values(**values))


def _now(connection: Connection) -> ColumnElement[Any]:
    """The database's time in UTC, so that clocks of machines and time zones of sessions do not matter."""
    if connection.dialect.name == "postgresql":
        return func.timezone("UTC", func.clock_timestamp(), type_=DateTime())
    if connection.dialect.name == "mysql":
        return func.utc_timestamp(type_=DateTime())
    return func.current_timestamp(type_=DateTime())
