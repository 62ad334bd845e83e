"""A study in its database: created as a whole or not at all, and opened by its workers."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna import pruners, samplers
from sqlalchemy.exc import IntegrityError

from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import parse_json
from cnn_mellin.nearest import nearest
from cnn_mellin.search import optuna_tables as tables
from cnn_mellin.search.database_url import DatabaseError, shown_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.storage import StudyDatabase

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = [
    "SAMPLERS",
    "OtherStudyError",
    "create_study",
    "find_study",
    "load_study",
    "make_pruner",
    "make_sampler",
    "read_trials",
    "require_study",
    "study_names",
]

SAMPLERS = ("tpe", "random", "nsgaii", "gp", "qmc")
_MAX_PLAN_LENGTH = 60_000  # Optuna's column of attributes holds 64 kB on MySQL
_ANOTHER = "create another study with `optim ... init`"


class OtherStudyError(DatabaseError):
    """The database has a different study of the same name."""


def create_study(
    database: StudyDatabase, name: str, plan: StudyPlan, first_values: Mapping[str, Any] | None = None
) -> bool:
    """Create a study with all its trials in one transaction.

    Args:
        database: database that was opened with `create=True`.
        name: name of the study, an identifier.
        plan: plan of the study.
        first_values: hyperparameter -> value for the first trial; the sampler chooses the others.

    Returns:
        False if the database already has the same study.

    Raises:
        OtherStudyError: the database has a study of that name with another plan.
        DatabaseError: the name is not an identifier, or the plan is too long.
    """
    if not name.isprintable():  # some databases cannot be asked for such a name
        require_identifier(name, "study", error=DatabaseError)
    content = json.dumps(plan.as_dict())
    if len(content) > _MAX_PLAN_LENGTH:
        raise DatabaseError(
            f"study {name}: its settings take {len(content)} characters, but a database holds at most "
            f"{_MAX_PLAN_LENGTH}; instead of a long [data] subset_ids, prepare a smaller partition"
        )

    def insert() -> None:
        with database.begin() as connection:
            tables.insert_study(connection, name, content, plan.num_trials, first_values or {})

    try:
        if database.patiently(lambda: _has_same_study(database, name, plan)):
            return False
        require_identifier(name, "study", error=DatabaseError)
        database.patiently(insert)
    except IntegrityError:  # another process has just created it, or this one has, but its connection was lost
        if not database.patiently(lambda: _has_same_study(database, name, plan)):
            raise
        return False
    return True


def _has_same_study(database: StudyDatabase, name: str, plan: StudyPlan) -> bool:
    try:
        _, found = find_study(database, name)
    except KeyError:
        return False
    differences = plan.differences(found)
    if differences:
        raise OtherStudyError(
            f"study {name}: {shown_url(database.url)} has a study of that name with {'; '.join(differences)}; choose "
            "another name, or delete it: optuna delete-study"
        )
    return True


def find_study(database: StudyDatabase, name: str) -> tuple[int, StudyPlan]:
    """Id and plan of a study.

    Raises:
        KeyError: the database has no study of that name.
        OtherStudyError: the study was not created by `create_study`.
        DatabaseError: its plan is damaged.
    """
    with database.begin() as connection:
        study_id = tables.study_id_of(connection, name)
        if study_id is None:
            raise KeyError(name)
        content = tables.plan_json(connection, study_id)
    if content is None:
        raise OtherStudyError(
            f"study {name}: {shown_url(database.url)} has a study of that name that was not created by "
            "`optim ... init`; choose another name"
        )
    place = f"{shown_url(database.url)}: the plan of the study {name}"
    try:
        found = parse_json(content, place, DatabaseError)
        plan = StudyPlan.from_dict(found if isinstance(found, dict) else {})
        plan.start()
    except (ValueError, SettingsError) as error:
        raise DatabaseError(f"{place} is damaged ({error}); {_ANOTHER}") from None
    return int(study_id), plan


def load_study(database: StudyDatabase, name: str) -> tuple[optuna.Study, int, StudyPlan]:
    """Optuna's study, its id and its plan.

    Args:
        database: database that holds the study.
        name: name of the study.

    Raises:
        DatabaseError: the database has no such study.
    """
    if not name.isprintable():  # no study has such a name, and some databases cannot be asked for it
        require_identifier(name, "study", error=DatabaseError)
    try:
        study_id, plan = database.patiently(lambda: find_study(database, name))
    except KeyError:
        names = study_names(database)
        known = nearest(name, names) if names else "it has no study; create one with `optim ... init`"
        raise DatabaseError(f"study {name}: does not exist in {shown_url(database.url)}; {known}") from None
    study = database.patiently(lambda: optuna.Study(name, database.storage, pruner=make_pruner(plan)))
    return study, study_id, plan


def require_study(database: StudyDatabase, name: str, study_id: int, plan: StudyPlan) -> None:
    """Check that a study is still the one that a worker has loaded.

    Args:
        database: database that held the study.
        name: name of the study.
        study_id, plan: as returned by `load_study`.

    Raises:
        DatabaseError: the study was deleted, or replaced by another.
    """
    try:
        found = database.patiently(lambda: find_study(database, name))
    except KeyError:
        found = None
    if found != (study_id, plan):
        what = "was deleted" if found is None else "has been replaced by another of that name"
        raise DatabaseError(
            f"{shown_url(database.url)}: the study {name} {what} while it was in use, and its results are lost; create "
            "it again with `optim ... init`"
        )


def read_trials(database: StudyDatabase, study: optuna.Study) -> list[FrozenTrial]:
    """All trials of a study, in the order of their numbers.

    Raises:
        DatabaseError: a value of a trial is damaged.
    """

    def read() -> list[FrozenTrial]:
        try:
            return study.get_trials(deepcopy=False)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DatabaseError(
                f"{shown_url(database.url)}: a trial of the study {study.study_name} is damaged "
                f"({type(error).__name__}: {' '.join(str(error).split())}); {_ANOTHER}"
            ) from None

    return database.patiently(read)


def study_names(database: StudyDatabase) -> list[str]:
    """Names of the studies in a database that `create_study` made, oldest first."""

    def names() -> list[str]:
        with database.begin() as connection:
            return tables.planned_study_names(connection)

    return database.patiently(names)


def make_sampler(kind: str, study_name: str, trial_number: int) -> samplers.BaseSampler:
    """Optuna's sampler for one trial.

    Its seed comes from the study's name and the trial's number. So a sampler that does not look at other trials gives
    the same values to the same trial of a study of that name, whichever worker runs it.

    Args:
        kind: one of SAMPLERS.
        study_name: name of the study.
        trial_number: number of the trial, from 0.
    """
    seed = _seed(study_name, trial_number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if kind == "random":
            return samplers.RandomSampler(seed=seed)
        if kind == "nsgaii":
            return samplers.NSGAIISampler(seed=seed)
        if kind == "gp":
            return samplers.GPSampler(seed=seed)
        if kind == "qmc":  # all workers share one sequence
            independent = samplers.RandomSampler(seed=seed)
            return samplers.QMCSampler(scramble=True, seed=_seed(study_name), independent_sampler=independent)
        return samplers.TPESampler(multivariate=True, constant_liar=True, seed=seed)


def _seed(*names: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:4], "little")


def make_pruner(plan: StudyPlan) -> pruners.BasePruner:
    """Optuna's pruner that a plan names."""
    if plan.pruner == "none":
        return pruners.NopPruner()
    if plan.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=plan.pruner_min_epochs or 3)
    return pruners.HyperbandPruner(
        min_resource=plan.pruner_min_epochs or 1, max_resource=plan.max_epochs or "auto", reduction_factor=3
    )
