"""Hyperparameter search from Python: create a study, run its trials, read its best settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import torch

from cnn_mellin.config.settings import Settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.models.layer_summary import summarize_layers
from cnn_mellin.search.best_settings import best_settings, independent_best_settings
from cnn_mellin.search.database_url import DatabaseError, resolve_database_url, shown_url
from cnn_mellin.search.new_study import plan_study, start_values
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.shared_trials import SharedData, follow_trials, lead_trials
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study, load_study, read_trials, study_names
from cnn_mellin.search.study_data import StudyData
from cnn_mellin.search.trial_training import TrialTraining
from cnn_mellin.search.worker import RunSummary, run_study
from cnn_mellin.training.process_group import ProcessGroup

__all__ = [
    "DEFAULT_STUDY_NAME",
    "NO_STUDY",
    "PlannedStudy",
    "StudyOptions",
    "open_study",
    "plan_search",
    "read_best_settings",
    "run_search",
    "search_hyperparameters",
]

DEFAULT_STUDY_NAME = "optim"
NO_STUDY = "no study; create one with `optim ... init`"

_logger = logging.getLogger(__name__)


class StudyOptions(TypedDict, total=False):
    """Optional arguments of `plan_study`, with the same meaning and defaults."""

    whitelist: Sequence[str] | None
    blacklist: Sequence[str] | None
    ranges: Mapping[str, tuple[float, float]] | None
    dev_proportion: float
    num_trials: int
    pruner: str
    pruner_min_epochs: int | None
    num_data_workers: int
    mem_limit_bytes: int | None
    device: str


@dataclass(frozen=True)
class PlannedStudy:
    """Result of `plan_search`.

    Args:
        name: name of the study.
        url: URL of its database, without a password.
        plan: plan of the study.
        data: utterances of its trials.
        created: False if the database held the same study already.
    """

    name: str
    url: str
    plan: StudyPlan
    data: StudyData
    created: bool


def plan_search(
    db_url: str,
    train_dir: str | Path,
    settings: Settings | None = None,
    *,
    study_name: str = DEFAULT_STUDY_NAME,
    **options: Unpack[StudyOptions],
) -> PlannedStudy:
    """Plan a study and create it in a database, unless the database holds the same study already.

    Args:
        db_url: URL of the database, `env:VARIABLE` or `file:PATH`; the tables are created if they are missing.
        train_dir: folder of the partition that trials train on and are evaluated on.
        settings: settings at which the search starts; None for the defaults.
        study_name: name of the study.
        options: optional arguments of `plan_study`.

    Raises:
        SettingsError, DataError: an argument, a setting or the partition breaks a rule.
        DatabaseError: the database cannot be used, or holds another study of that name.
    """
    require_identifier(study_name, "study", "study_name", DatabaseError)
    url = resolve_database_url(db_url)
    plan, data = plan_study(settings or Settings(), train_dir, **options)
    with StudyDatabase(url, create=True) as database:
        created = create_study(database, study_name, plan, start_values(plan))
    fault = summarize_layers(data.train.num_coefficients, plan.start().model).fault
    if fault is not None:
        _logger.warning("%s: the settings at which the search starts: %s", study_name, fault)
    return PlannedStudy(study_name, shown_url(url), plan, data, created)


def run_search(
    db_url: str,
    *,
    study_name: str | None = None,
    train_dir: str | Path | None = None,
    device: str | torch.device | None = None,
    model_dir: str | Path | None = None,
    discard_ended: bool = False,
    sampler: str = "tpe",
    max_failed_retries: int = 3,
    timeout_s: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    group: ProcessGroup | None = None,
) -> RunSummary:
    """Run trials of a study as one of its workers, until none is left for this worker.

    Args:
        db_url: URL of the database, `env:VARIABLE` or `file:PATH`.
        study_name: name of the study; None for the only study of the database.
        train_dir: copy of the study's partition on this machine; None for the folder that the study was created with.
        device: device to train on; None for that of the study.
        model_dir: folder in which trainings are kept, so that other workers resume them; None for a temporary folder.
        discard_ended: delete the training of a trial that has ended from `model_dir`.
        sampler: one of `study.SAMPLERS`.
        max_failed_retries: number of times that a trial is retried after its worker died or it failed.
        timeout_s: seconds after which the worker hands back its trial and leaves.
        stop: called between trials and updates; if it returns true, the worker hands back its trial and leaves.
        group: processes that are one worker together: each makes this call, process 0 uses the database, and all train
            its trials. None for this process only.

    Returns:
        Numbers of the trials that this worker has run, and why it left.

    Raises:
        SettingsError: an argument breaks a rule.
        DataError: the partition is damaged.
        DatabaseError: the database or the study cannot be used, or the study was created with another partition.
        ProcessLostError, OtherProcessError: another process of the group has ended or failed.
    """
    members = group or ProcessGroup()
    if max_failed_retries < 0:
        raise SettingsError(f"max_failed_retries {max_failed_retries}: must be 0 or more")
    if discard_ended and model_dir is None:
        raise SettingsError("discard_ended=True: needs model_dir=FOLDER; a temporary folder is deleted in any case")
    if timeout_s is not None and timeout_s <= 0:
        raise SettingsError(f"timeout_s {timeout_s:g}: must be above 0 seconds")
    if not members.is_first:
        summary: RunSummary = follow_trials(members, stop)
        return summary

    def run() -> RunSummary:
        with open_study(db_url, study_name) as (database, name):
            _, _, plan = load_study(database, name)
            place = train_dir or plan.train_dir
            start = plan.start().data
            shared = SharedData(
                str(place),
                plan.dev_proportion,
                start.subset_ids,
                start.audio_features,
                str(device or plan.device),
                plan.num_data_workers,
            )
            members.on_first(lambda: shared)
            chosen, data = members.together(lambda: shared.open(members))
            if data.digest != plan.train_digest:
                raise DatabaseError(
                    f"{place}: is not the partition that the study {name} was created with; prepare that again, or "
                    "create another study"
                )
            _logger.info("%s: %s", name, data.described)
            objective = TrialTraining(name, plan, data, chosen, model_dir, members)
            return run_study(
                database,
                name,
                objective,
                sampler=sampler,
                max_failed_retries=max_failed_retries,
                timeout_s=timeout_s,
                stop=lambda: stop() or members.stopping,
                on_end=objective.discard if discard_ended else lambda _number: None,
            )

    return lead_trials(members, run)


def read_best_settings(db_url: str, study_name: str | None = None, *, independent: bool = False) -> Settings:
    """Settings of a study's best trial.

    Args:
        db_url: URL of the database, `env:VARIABLE` or `file:PATH`.
        study_name: name of the study; None for the only study of the database.
        independent: choose each hyperparameter independently, at its lowest median.

    Raises:
        DatabaseError: the database or the study cannot be used, or no trial is completed.
    """
    with open_study(db_url, study_name) as (database, name):
        study, _, plan = load_study(database, name)
        return (independent_best_settings if independent else best_settings)(name, plan, read_trials(database, study))


def search_hyperparameters(
    db_url: str,
    train_dir: str | Path,
    settings: Settings | None = None,
    *,
    study_name: str = DEFAULT_STUDY_NAME,
    model_dir: str | Path | None = None,
    sampler: str = "tpe",
    stop: Callable[[], bool] = lambda: False,
    **options: Unpack[StudyOptions],
) -> Settings:
    """Search the best settings of a model on a partition: `plan_search`, `run_search` and `read_best_settings`.

    The same call resumes an interrupted search, or joins one that runs on other machines.

    Args:
        db_url, train_dir, settings, study_name, options: as in `plan_search`.
        model_dir, sampler, stop: as in `run_search`.

    Returns:
        The settings of the best trial; those so far, if `stop` ended the search.

    Raises:
        SettingsError, DataError, DatabaseError: as in the three functions.
    """
    study = plan_search(db_url, train_dir, settings, study_name=study_name, **options)
    run_search(db_url, study_name=study.name, model_dir=model_dir, sampler=sampler, stop=stop)
    return read_best_settings(db_url, study.name)


@contextmanager
def open_study(db_url: str, study_name: str | None = None) -> Iterator[tuple[StudyDatabase, str]]:
    """Open a database, and find the name of the study.

    Args:
        db_url: URL of the database, `env:VARIABLE` or `file:PATH`.
        study_name: name of the study; None for the only study of the database.

    Raises:
        DatabaseError: the database cannot be used, or without a name does not have exactly one study.
    """
    with StudyDatabase(resolve_database_url(db_url)) as database:
        yield database, study_name or _only_study(database)


def _only_study(database: StudyDatabase) -> str:
    names = study_names(database)
    if not names:
        raise DatabaseError(f"{shown_url(database.url)}: has {NO_STUDY}")
    if len(names) > 1:
        raise DatabaseError(f"{shown_url(database.url)}: has studies {', '.join(names)}; name one with study_name=NAME")
    return names[0]
