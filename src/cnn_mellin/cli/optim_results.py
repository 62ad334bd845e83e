"""`cnn-mellin optim`: the actions that read a study: best, important, status, plot and export."""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.config import format_settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.extras import require_packages
from cnn_mellin.output_place import require_output_file
from cnn_mellin.search.best_settings import (
    best_settings,
    best_trial,
    completed_trials,
    independent_best_settings,
    trial_value,
)
from cnn_mellin.search.database_url import DatabaseError, resolve_database_url, shown_url
from cnn_mellin.search.hyperparameter_search import NO_STUDY, open_study
from cnn_mellin.search.importance import EVALUATORS, setting_importances
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.status import StudyStatus, status_table, study_status
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import load_study, read_trials, study_names
from cnn_mellin.search.trial_queue import TrialQueue, worker_name
from cnn_mellin.search.trial_table import trials_as_csv

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial  # optuna takes a second to import

__all__ = ["best", "export", "important", "plot", "status"]

_SUFFIXES = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}
_LOGGER = logging.getLogger(__name__)


def best(arguments: argparse.Namespace) -> int:
    """Write the best settings."""
    file_format = arguments.force_type or _SUFFIXES.get(Path(arguments.out).suffix.lower(), "ini")
    name, plan, trials = _read(arguments)
    found = best_trial(name, trials)
    if arguments.independent:
        settings = independent_best_settings(name, plan, trials)
        said = "each setting independently at its lowest median"
    else:
        settings = best_settings(name, plan, trials)
        said = f"those of trial {found.number}, dev PER {found.value:.2f} %"
    _write(arguments.out, "settings", format_settings(settings, file_format))
    if not arguments.quiet:
        first = completed_trials(trials)[0]
        start = f" (trial 0, the start of the search: {trial_value(first):.2f} %)" if first.number == 0 else ""
        print(f"{name}: best settings: {said}{start}", file=sys.stderr)
    return 0


def important(arguments: argparse.Namespace) -> int:
    """Write the names of the settings that matter most."""
    if arguments.top_k is not None and arguments.top_k < 1:
        raise SettingsError(f"--top-k {arguments.top_k}: must be at least 1")
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise SettingsError(f"--threshold {arguments.threshold:g}: must lie from 0 to 1")
    name, plan, trials = _read(arguments)
    found = setting_importances(name, plan, trials, arguments.evaluator)
    kept = [pair for pair in found if pair[1] >= (arguments.threshold or 0)][: arguments.top_k]
    if not kept:
        raise SettingsError(
            f"--threshold {arguments.threshold:g}: no setting reaches it; the most important is "
            f"{found[0][0]} with {found[0][1]:.3f}"
        )
    if found[0][1] == 0:
        _LOGGER.warning("%s: all completed trials have the same result, so no setting matters more than another", name)
    _write(arguments.out, "names", "".join(f"{re.escape(setting)}\n" for setting, _ in kept))
    if not arguments.quiet:
        evaluator = EVALUATORS[arguments.evaluator]
        print(f"{name}: {evaluator} over {len(completed_trials(trials))} completed trials", file=sys.stderr)
        for setting, value in kept:
            print(f"  {value:.3f}  {setting}", file=sys.stderr)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Print the status of studies, once or repeatedly."""
    if arguments.watch is not None and arguments.watch <= 0:
        raise SettingsError(f"--watch {arguments.watch:g}: must be above 0 seconds")
    with StudyDatabase(resolve_database_url(arguments.db_url)) as database:
        while True:
            studies = _statuses(database, arguments.study_name)
            print(status_table(studies), flush=True)
            if arguments.watch is None or not any(study.num_left for study in studies):
                return 0
            time.sleep(arguments.watch)
            print(flush=True)


def plot(arguments: argparse.Namespace) -> int:
    """Plot a study."""
    require_packages("optim plot", ["search"], ["matplotlib"])
    from cnn_mellin.report.figures.study import PICTURES, draw_study  # imports matplotlib, now known to be installed

    for picture in PICTURES:
        require_output_file(arguments.out_dir / f"{picture}.png", "png")
    require_output_file(arguments.out_dir / "index.html", "html")
    name, plan, trials = _read(arguments)
    draw_study(name, plan, trials, arguments.out_dir)
    print(f"{arguments.out_dir / 'index.html'}: figures of {name}")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write all trials as CSV."""
    _, plan, trials = _read(arguments)
    _write(arguments.out, "trials", trials_as_csv(plan, trials))
    return 0


def _read(arguments: argparse.Namespace) -> tuple[str, StudyPlan, Sequence[FrozenTrial]]:
    """Name, plan and trials of the study that the command line names."""
    with open_study(arguments.db_url, arguments.study_name) as (database, name):
        study, _, plan = load_study(database, name)
        return name, plan, read_trials(database, study)


def _statuses(database: StudyDatabase, name: str | None) -> list[StudyStatus]:
    """Status of one study, or of all studies in a database."""
    found = []
    for each in [name] if name else study_names(database):
        study, study_id, plan = load_study(database, each)
        beats: Any = database.patiently(TrialQueue(database, study_id, worker_name()).beats)
        found.append(study_status(each, plan, read_trials(database, study), beats))
    if not found:
        raise DatabaseError(f"{shown_url(database.url)}: has {NO_STUDY}")
    return found


def _write(out: str, kind: str, text: str) -> None:
    """Write text to a file, or to standard output for `-`."""
    if out == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    if not Path(out).absolute().parent.is_dir():
        raise SettingsError(f"{out}: its folder does not exist; make it first")
    require_output_file(out, kind)
    with atomic_file(out) as file:
        file.write(text)
