"""What each action of `cnn-mellin optim` does."""

from __future__ import annotations

import argparse
import io
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import read_text
from cnn_mellin.search.database_url import DatabaseError, resolve_database_url, shown_url
from cnn_mellin.search.plan import DEFAULT_NUM_TRIALS, StudyPlan
from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.study import create_study, load_study, read_trials, study_names

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from cnn_mellin.search.status import StudyStatus

__all__ = ["best", "export", "important", "init", "plot", "run", "status"]

_DEFAULT_NAME = "optim"
_SUFFIXES = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}


def init(arguments: argparse.Namespace) -> int:
    """Begin a study."""
    from cnn_mellin.config import Settings
    from cnn_mellin.search.new_study import plan_study, start_values

    name = require_identifier(arguments.study_name or _DEFAULT_NAME, "study", "--study-name", DatabaseError)
    url = resolve_database_url(arguments.db_url)
    plan, data = plan_study(
        arguments.settings or Settings(),
        arguments.train_dir,
        whitelist=_patterns(arguments.whitelist, "--whitelist"),
        blacklist=_patterns(arguments.blacklist, "--blacklist"),
        dev_proportion=arguments.dev_proportion,
        num_trials=DEFAULT_NUM_TRIALS if arguments.num_trials is None else arguments.num_trials,
        pruner=arguments.pruner,
        num_data_workers=arguments.num_data_workers,
        mem_limit_bytes=arguments.mem_limit_bytes,
        device=arguments.device or "cpu",
    )
    with StudyDatabase(url, create=True) as database:
        made = create_study(database, name, plan, start_values(plan))
    if not made:
        print(f"{name}: is in {shown_url(url)} already, with the same arguments; nothing has changed")
        return 0
    print(f"{name}: a new study of {plan.num_trials} trials in {shown_url(url)}")
    if not arguments.quiet:
        print(data.described)
        print(f"searches {len(plan.dimensions)} settings:")
        for dimension in plan.dimensions:
            print(f"  {dimension}")
    return 0


def run(arguments: argparse.Namespace) -> int:
    """Be a worker."""
    from cnn_mellin.cli.compute_device import compute_device
    from cnn_mellin.search.study_data import open_study_data
    from cnn_mellin.search.trial_training import TrialTraining
    from cnn_mellin.search.worker import run_study
    from cnn_mellin.training.interruption import EXIT_STATUS, StopSignals

    if arguments.max_failed_retries < 0:
        raise SettingsError(f"--max-failed-retries {arguments.max_failed_retries}: must be 0 or more")
    if arguments.discard_ended and arguments.model_dir is None:
        raise SettingsError("--discard-ended: is of use with --model-dir only; a temporary folder goes anyway")
    if arguments.timeout is not None and arguments.timeout <= 0:
        raise SettingsError(f"--timeout {arguments.timeout:g}: must be above 0 seconds")

    for stream in (sys.stdout, sys.stderr):  # a log is read while it grows, and must hold why a worker died
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)

    with StopSignals() as signals, _database(arguments) as (database, name):
        _, _, plan = load_study(database, name)
        device = compute_device(arguments, plan.device)
        place = arguments.train_dir or plan.train_dir
        data = open_study_data(place, plan.dev_proportion, plan.start().data.subset_ids)
        if data.digest != plan.train_digest:
            raise DatabaseError(
                f"{place}: is not the partition that the study {name} was begun with; prepare it as it was, or begin "
                "another study"
            )
        print(f"{name}: {data.described}", flush=True)
        objective = TrialTraining(name, plan, data, device, arguments.model_dir)
        summary = run_study(
            database,
            name,
            objective,
            sampler=arguments.sampler,
            max_failed_retries=arguments.max_failed_retries,
            timeout_s=arguments.timeout,
            stop=lambda: signals.received is not None,
            on_end=objective.discard if arguments.discard_ended else lambda _number: None,
        )
        left = " and handed back what it had begun" if summary.stopped else ""
        print(
            f"{name}: this worker completed {summary.num_completed} trials, pruned {summary.num_pruned}, failed in "
            f"{summary.num_failed}{left}"
        )
    if signals.received is not None:
        print(f"cnn-mellin: {signals.received}: left the study; the same command goes on", file=sys.stderr)
        return EXIT_STATUS
    if summary.gave_up:
        print(
            f"cnn-mellin: {name}: several trials failed here one after another (the reasons are above), so this worker "
            "leaves the others to other machines; the same command goes on",
            file=sys.stderr,
        )
        return 1
    return 0


def best(arguments: argparse.Namespace) -> int:
    """Write the best settings."""
    from cnn_mellin.config import format_settings
    from cnn_mellin.search.best_settings import (
        best_settings,
        best_trial,
        completed_trials,
        independent_best_settings,
        trial_value,
    )

    file_format = arguments.force_type or _SUFFIXES.get(Path(arguments.out).suffix.lower(), "ini")
    name, plan, trials = _read(arguments)
    found = best_trial(name, trials)
    if arguments.independent:
        settings = independent_best_settings(name, plan, trials)
        said = "each setting by itself at its lowest median"
    else:
        settings = best_settings(name, plan, trials)
        said = f"those of trial {found.number}, dev PER {found.value:.2f} %"
    _write(arguments.out, "settings", format_settings(settings, file_format))
    if not arguments.quiet:
        first = completed_trials(trials)[0]
        began = f" (trial 0, where the search began: {trial_value(first):.2f} %)" if first.number == 0 else ""
        print(f"{name}: best settings: {said}{began}", file=sys.stderr)
    return 0


def important(arguments: argparse.Namespace) -> int:
    """Write the names of the settings that matter most."""
    from cnn_mellin.search.best_settings import completed_trials
    from cnn_mellin.search.importance import EVALUATORS, setting_importances

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
        _warn(f"{name}: all completed trials have the same result, so that no setting matters more than another")
    _write(arguments.out, "names", "".join(f"{re.escape(setting)}\n" for setting, _ in kept))
    if not arguments.quiet:
        evaluator = EVALUATORS[arguments.evaluator]
        print(f"{name}: {evaluator} over {len(completed_trials(trials))} completed trials", file=sys.stderr)
        for setting, value in kept:
            print(f"  {value:.3f}  {setting}", file=sys.stderr)
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Print where studies stand, once or again and again."""
    from cnn_mellin.search.status import status_table

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
    """Draw a study."""
    from cnn_mellin.extras import require_packages

    require_packages("optim plot", ["search"], ["matplotlib"])
    from cnn_mellin.output_place import require_output_file
    from cnn_mellin.report.figures.study import PICTURES, draw_study

    for picture in PICTURES:
        require_output_file(arguments.out_dir / f"{picture}.png", "png")
    require_output_file(arguments.out_dir / "index.html", "html")
    name, plan, trials = _read(arguments)
    draw_study(name, plan, trials, arguments.out_dir)
    print(f"{arguments.out_dir / 'index.html'}: pictures of {name}")
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write all trials as CSV."""
    from cnn_mellin.search.trial_table import trials_as_csv

    _, plan, trials = _read(arguments)
    _write(arguments.out, "trials", trials_as_csv(plan, trials))
    return 0


@contextmanager
def _database(arguments: argparse.Namespace) -> Iterator[tuple[StudyDatabase, str]]:
    """The database, and the name of the study that is meant."""
    with StudyDatabase(resolve_database_url(arguments.db_url)) as database:
        yield database, arguments.study_name or _only_study(database)


def _read(arguments: argparse.Namespace) -> tuple[str, StudyPlan, Sequence[FrozenTrial]]:
    """Name, plan and trials of the study that is meant."""
    with _database(arguments) as (database, name):
        study, _, plan = load_study(database, name)
        return name, plan, read_trials(database, study)


def _only_study(database: StudyDatabase) -> str:
    names = study_names(database)
    if len(names) != 1:
        there = f"studies {', '.join(names)}" if names else "no study; begin one with `optim ... init`"
        raise DatabaseError(f"--study-name is not given, and {shown_url(database.url)} has {there}")
    return names[0]


def _statuses(database: StudyDatabase, name: str | None) -> list[StudyStatus]:
    from cnn_mellin.search.status import study_status
    from cnn_mellin.search.trial_queue import TrialQueue, worker_name

    found = []
    for each in [name] if name else study_names(database):
        study, study_id, plan = load_study(database, each)
        beats: Any = database.patiently(TrialQueue(database, study_id, worker_name()).beats)
        found.append(study_status(each, plan, read_trials(database, study), beats))
    if not found:
        raise DatabaseError(f"{shown_url(database.url)}: has no study; begin one with `optim ... init`")
    return found


def _patterns(given: Sequence[str] | None, option: str) -> list[str] | None:
    """Regular expressions; those that begin with @ name files that hold some."""
    if given is None:
        return None
    found: list[str] = []
    for word in given:
        if not word.startswith("@"):
            found.append(word)
            continue
        try:
            found += read_text(word[1:]).split()
        except UserError as error:
            raise SettingsError(f"{option} {word}: cannot be read ({error})") from None
    if not found:
        raise SettingsError(f"{option} {' '.join(given)}: holds no regular expression")
    return found


def _write(out: str, kind: str, text: str) -> None:
    from cnn_mellin.atomic import atomic_file
    from cnn_mellin.output_place import require_output_file

    if out == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    if not Path(out).absolute().parent.is_dir():
        raise SettingsError(f"{out}: its folder does not exist; make it first")
    require_output_file(out, kind)
    with atomic_file(out) as file:
        file.write(text)


def _warn(line: str) -> None:
    print(f"cnn-mellin: {line}", file=sys.stderr)
