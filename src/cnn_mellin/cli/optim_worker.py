"""`cnn-mellin optim ... run`: run a worker of a study."""

from __future__ import annotations

import argparse
import io
import logging
import sys

from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.cli.optim_study import open_study
from cnn_mellin.errors import SettingsError
from cnn_mellin.search.database_url import DatabaseError
from cnn_mellin.search.study import load_study
from cnn_mellin.search.study_data import open_study_data
from cnn_mellin.search.trial_training import TrialTraining
from cnn_mellin.search.worker import run_study
from cnn_mellin.training.interruption import EXIT_STATUS, StopSignals

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Train trials until the study is done, or the worker is told to stop."""
    _check(arguments)
    for stream in (sys.stdout, sys.stderr):  # a log is read while it grows, and must hold why a worker died
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)

    with StopSignals() as signals, open_study(arguments) as (database, name):
        _, _, plan = load_study(database, name)
        device = compute_device(arguments, plan.device)
        place = arguments.train_dir or plan.train_dir
        data = open_study_data(place, plan.dev_proportion, plan.start().data.subset_ids)
        if data.digest != plan.train_digest:
            raise DatabaseError(
                f"{place}: is not the partition that the study {name} was created with; prepare that again, or create "
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
        left = " and handed back its unfinished trial" if summary.stopped else ""
        print(
            f"{name}: this worker completed {summary.num_completed} trials, pruned {summary.num_pruned}, failed in "
            f"{summary.num_failed}{left}"
        )
    if signals.received is not None:
        _LOGGER.warning("%s: left the study; run the same command again to resume", signals.received)
        return EXIT_STATUS
    if summary.gave_up:
        _LOGGER.warning(
            "%s: several trials failed here one after another (the reasons are above), so this worker leaves the "
            "others to other machines; run the same command again to resume",
            name,
        )
        return 1
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.max_failed_retries < 0:
        raise SettingsError(f"--max-failed-retries {arguments.max_failed_retries}: must be 0 or more")
    if arguments.discard_ended and arguments.model_dir is None:
        raise SettingsError("--discard-ended: needs --model-dir; a temporary folder is deleted in any case")
    if arguments.timeout is not None and arguments.timeout <= 0:
        raise SettingsError(f"--timeout {arguments.timeout:g}: must be above 0 seconds")
