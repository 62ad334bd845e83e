"""`cnn-mellin optim ... run`: run a worker of a study."""

from __future__ import annotations

import argparse
import io
import logging
import sys

from cnn_mellin.cli.compute_device import set_num_threads
from cnn_mellin.search.hyperparameter_search import run_search
from cnn_mellin.training.interruption import EXIT_STATUS, StopSignals
from cnn_mellin.training.process_group import process_group

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Train trials until the study is done, or the worker is told to stop."""
    for stream in (sys.stdout, sys.stderr):  # a log is read while it grows, and must hold why a worker died
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    set_num_threads(arguments)
    with process_group() as group, StopSignals(of_several=group.size > 1) as signals:
        summary = run_search(
            arguments.db_url,
            study_name=arguments.study_name,
            train_dir=arguments.train_dir,
            device=arguments.device,
            model_dir=arguments.model_dir,
            discard_ended=arguments.discard_ended,
            sampler=arguments.sampler,
            max_failed_retries=arguments.max_failed_retries,
            timeout_s=arguments.timeout_s,
            stop=lambda: signals.received is not None or group.lost_launcher(),
            group=group,
        )
    if not group.is_first:
        return EXIT_STATUS if signals.received is not None else 0
    name = summary.study_name
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
