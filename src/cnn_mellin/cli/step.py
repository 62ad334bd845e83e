"""`cnn-mellin step`: the commands that a recipe's Snakefile and profiles call."""

from __future__ import annotations

import argparse
import logging
import math
from pathlib import Path

from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe.slurm_jobs import job_status, submit_step
from cnn_mellin.recipe.step_run import end_with_parent, run_step

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Check the steps of a recipe, run or submit one, or print the status of its job."""
    if not 0 < arguments.poll_s < math.inf:
        raise SettingsError(f"poll_s {arguments.poll_s:g}: must be above 0, and finite")
    if arguments.action == "check":
        from cnn_mellin.recipe.workflow import check_steps  # imports numpy and pydantic, which the others do without

        for name in check_steps(arguments.exp)[1]:
            _LOGGER.info("%s: its products have changed or are missing", name)
        return 0
    if arguments.name is None:
        raise SettingsError(f"step {arguments.action}: needs a NAME")
    if arguments.action == "run":
        end_with_parent()
        return run_step(arguments.exp, arguments.name, once=arguments.once)
    if arguments.action == "submit":
        print(submit_step(arguments.exp, Path(arguments.name), arguments.poll_s))
    else:
        print(job_status(arguments.exp, arguments.name, arguments.poll_s))
    return 0
