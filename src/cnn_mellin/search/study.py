"""A study in its database: made whole or not at all, and opened by its workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import parse_json
from cnn_mellin.nearest import nearest
from cnn_mellin.search.database_url import DatabaseError, shown_url
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.storage import StudyDatabase

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

__all__ = [
    "SAMPLERS",
    "OtherStudyError",
    "create_study",
    "find_study",
    "load_study",
    "make_sampler",
    "read_trials",
    "require_study",
    "study_names",
]

SAMPLERS = ("tpe", "random", "nsgaii", "gp", "qmc")
_PLAN = "cnn_mellin"
_LONGEST_ATTRIBUTE = 60_000  # Optuna's column of attributes has up to 64 kB on MySQL


class OtherStudyError(DatabaseError):
    """The database has a study of that name that is another."""


def create_study(
    database: StudyDatabase, name: str, plan: StudyPlan, first_draw: Mapping[str, Any] | None = None
) -> bool:
    """Make a study with all its trials, in one transaction; false where the same one is there already.

    Args:
        database: opened with `create=True`.
        name: of the study, an identifier.
        plan: what it is.
        first_draw: name -> value, what the first trial draws; the rest of it is left to the sampler.

    Raises:
        OtherStudyError: there is a study of that name with another plan.
        DatabaseError: the name is no identifier, or the plan is too long.
    """
    from sqlalchemy.exc import IntegrityError

    if not name.isprintable():  # no database has such a name, and some cannot be asked for it
        require_identifier(name, "study", "--study-name", DatabaseError)
    content = json.dumps(plan.as_dict())
    if len(content) > _LONGEST_ATTRIBUTE:
        raise DatabaseError(
            f"--study-name {name}: its settings take {len(content)} characters, and a database keeps "
            f"{_LONGEST_ATTRIBUTE}; shorten [data] subset_ids by preparing a smaller partition"
        )
    try:
        if database.patiently(lambda: _same_study(database, name, plan)):
            return False
        require_identifier(name, "study", "--study-name", DatabaseError)
        database.patiently(lambda: _insert(database, name, content, plan.num_trials, first_draw or {}))
    except IntegrityError:  # another process has just made it, or this one did, and its connection was lost
        if not database.patiently(lambda: _same_study(database, name, plan)):
            raise
        return False
    return True


def _same_study(database: StudyDatabase, name: str, plan: StudyPlan) -> bool:
    try:
        _, there = find_study(database, name)
    except KeyError:
        return False
    differences = plan.differences(there)
    if differences:
        raise OtherStudyError(
            f"--study-name {name}: {shown_url(database.url)} has a study of that name with "
            f"{'; '.join(differences)}; choose another name, or delete it: optuna delete-study"
        )
    return True


def _insert(database: StudyDatabase, name: str, content: str, num_trials: int, first_draw: Mapping[str, Any]) -> None:
    from optuna.storages._rdb import models
    from optuna.study import StudyDirection
    from optuna.trial import TrialState
    from sqlalchemy import select

    trials, attributes = models.TrialModel.__table__, models.TrialSystemAttributeModel.__table__
    with database.begin() as connection:
        studies = models.StudyModel.__table__
        connection.execute(studies.insert().values(study_name=name))
        study_id = connection.execute(select(studies.c.study_id).where(studies.c.study_name == name)).scalar()
        direction = {"study_id": study_id, "objective": 0, "direction": StudyDirection.MINIMIZE}
        connection.execute(models.StudyDirectionModel.__table__.insert().values(direction))
        plan = {"study_id": study_id, "key": _PLAN, "value_json": content}
        connection.execute(models.StudyUserAttributeModel.__table__.insert().values(plan))
        waiting = {"study_id": study_id, "state": TrialState.WAITING}
        connection.execute(trials.insert(), [waiting | {"number": number} for number in range(num_trials)])
        if first_draw:
            first = connection.execute(
                select(trials.c.trial_id).where(trials.c.study_id == study_id, trials.c.number == 0)
            ).scalar()
            fixed = {"trial_id": first, "key": "fixed_params", "value_json": json.dumps(dict(first_draw))}
            connection.execute(attributes.insert().values(fixed))


def find_study(database: StudyDatabase, name: str) -> tuple[int, StudyPlan]:
    """Id and plan of a study.

    Raises:
        KeyError: there is none of that name.
        OtherStudyError: it was made by something else.
        DatabaseError: its plan is damaged.
    """
    from optuna.storages._rdb import models
    from sqlalchemy import select

    studies, attributes = models.StudyModel.__table__, models.StudyUserAttributeModel.__table__
    with database.begin() as connection:
        study_id = connection.execute(select(studies.c.study_id).where(studies.c.study_name == name)).scalar()
        if study_id is None:
            raise KeyError(name)
        query = select(attributes.c.value_json).where(attributes.c.study_id == study_id, attributes.c.key == _PLAN)
        content = connection.execute(query).scalar()
    if content is None:
        raise OtherStudyError(
            f"--study-name {name}: {shown_url(database.url)} has a study of that name that was not made by "
            "`optim ... init`; choose another name"
        )
    place = f"{shown_url(database.url)}: the plan of the study {name}"
    try:
        found = parse_json(content, place, DatabaseError)
        plan = StudyPlan.from_dict(found if isinstance(found, dict) else {})
        plan.start()
    except (ValueError, SettingsError) as error:
        raise DatabaseError(f"{place} is damaged ({error}); begin another study with `optim ... init`") from None
    return int(study_id), plan


def load_study(database: StudyDatabase, name: str) -> tuple[optuna.Study, int, StudyPlan]:
    """Optuna's study, its id and its plan.

    Args:
        database: that has it.
        name: of the study.

    Raises:
        DatabaseError: there is no such study.
    """
    import optuna

    if not name.isprintable():  # no database has such a name, and some cannot be asked for it
        require_identifier(name, "study", "--study-name", DatabaseError)
    try:
        study_id, plan = database.patiently(lambda: find_study(database, name))
    except KeyError:
        there = study_names(database)
        known = nearest(name, there) if there else "it has none; begin one with `optim ... init`"
        raise DatabaseError(f"--study-name {name}: is no study of {shown_url(database.url)}; {known}") from None
    study = database.patiently(lambda: optuna.Study(name, database.storage, pruner=make_pruner(plan)))
    return study, study_id, plan


def require_study(database: StudyDatabase, name: str, study_id: int, plan: StudyPlan) -> None:
    """That a study is still the one that a worker began with.

    Args:
        database: that had it.
        name: of the study.
        study_id, plan: what `load_study` gave.

    Raises:
        DatabaseError: it was deleted, or another has taken its place.
    """
    try:
        there = database.patiently(lambda: find_study(database, name))
    except KeyError:
        there = None
    if there != (study_id, plan):
        what = "was deleted" if there is None else "has been replaced by another of that name"
        raise DatabaseError(
            f"{shown_url(database.url)}: the study {name} {what} while it was in use, and the results with it; begin "
            "it anew with `optim ... init`"
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
                f"({type(error).__name__}: {' '.join(str(error).split())}); begin another study with `optim ... init`"
            ) from None

    return database.patiently(read)


def study_names(database: StudyDatabase) -> list[str]:
    """Names of the studies of a database that `create_study` made, in the order in which they were made."""
    from optuna.storages._rdb import models
    from sqlalchemy import select

    def names() -> list[str]:
        studies, attributes = models.StudyModel.__table__, models.StudyUserAttributeModel.__table__
        query = select(studies.c.study_name).join(attributes, attributes.c.study_id == studies.c.study_id)
        query = query.where(attributes.c.key == _PLAN).order_by(studies.c.study_id)
        with database.begin() as connection:
            return list(connection.execute(query).scalars())

    return database.patiently(names)


def make_sampler(kind: str, study_name: str, trial_number: int) -> optuna.samplers.BaseSampler:
    """Optuna's sampler of a kind, for one trial.

    What is random in it has a seed from the study's name and the trial's number: the same trial of a study of that
    name draws the same values where the sampler does not look at other trials, whichever worker it is.

    Args:
        kind: one of SAMPLERS.
        study_name: of the study.
        trial_number: of the trial, from 0.
    """
    import warnings

    import optuna
    from optuna import samplers

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


def make_pruner(plan: StudyPlan) -> optuna.pruners.BasePruner:
    """Optuna's pruner that a plan names."""
    from optuna import pruners

    if plan.pruner == "none":
        return pruners.NopPruner()
    if plan.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=3)
    searched = {dimension.name: int(dimension.high) for dimension in plan.dimensions}
    most = searched.get("training.num_epochs") or plan.settings.get("training", {}).get("num_epochs")
    return pruners.HyperbandPruner(min_resource=1, max_resource=int(most) if most else "auto", reduction_factor=3)
