"""Options of `cnn-mellin step`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Parts of a recipe as its Snakefile and its profiles call them, in the recipe's folder:

  check   find out which steps are out of date, so that Snakemake runs them
  run     run a step, or return at once if its products are up to date
  submit  submit a step to Slurm, unless its job is in the queue already; NAME is Snakemake's job script
  status  tell whether the job of a step is running, has succeeded or has failed; NAME is what submit has printed
"""
EXAMPLES = [
    "cnn-mellin step run prep-fbank-81-10ms",
    "cnn-mellin step check",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("action", choices=["check", "run", "submit", "status"], help="what to do")
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the step, job script or job")
    parser.add_argument("--exp", default=".", metavar="EXP", help="folder of the recipe (default: this folder)")
    parser.add_argument(
        "--once", action="store_true", help="end when the command is told to stop and has saved its state, for clusters"
    )
    parser.add_argument(
        "--poll-s",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds for which an answer of squeue serves all jobs (default: 10)",
    )
