"""`cnn-mellin optim`: search hyperparameters with many workers on one database."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["add_parser"]

_MODULES = ("optuna", "sqlalchemy")  # of the drivers, only the one that the URL names is needed

_DESCRIPTION = """\
Search hyperparameters: a study is N trials in a database, each a training with other settings. Any number of workers,
on any number of machines, take its trials one by one.

  cnn-mellin --read-ini F optim --study-name S URL init TRAIN_DIR   begin a study, starting at the settings of F
  cnn-mellin optim --study-name S URL run                           a worker: start as many as there are machines
  cnn-mellin optim URL status --watch                               what runs, what is best, how long it takes
  cnn-mellin optim --study-name S URL important --top-k 5           the settings that matter most
  cnn-mellin optim --study-name S URL best best.ini                 settings for `cnn-mellin --read-ini best.ini`

URL is of PostgreSQL (postgresql+psycopg:// or postgresql+pg8000://), of MySQL or MariaDB (mysql+pymysql://) or of an
SQLite file for the workers of one machine (sqlite:///search.db). Passwords do not stand in it: PGPASSFILE, ~/.pgpass,
mysql+pymysql:///NAME?read_default_file=FILE, env:VARIABLE and file:PATH (which hold the whole URL) all work. The
commands optuna and optuna-dashboard read the same studies.
"""

_INIT = """\
Begin a study of trainings on TRAIN_DIR, a part of whose utterances decide on the results: all of some speakers, where
ext/utt2spk beside TRAIN_DIR names them. The search starts at the settings of --read-ini and the like; those that are
not searched keep their values there, and the first trial is the start itself, as far as it lies in the ranges.

Run again with the same arguments it changes nothing; with others it names the difference, and changes nothing.
"""

_RUN = """\
Be a worker: take a trial that waits, train, report, and take the next, until all trials of the study have ended.
Start any number at any time. What a worker leaves that is killed is done again by another, with the same settings and,
where they share --model-dir, from its last epoch. SIGTERM and SIGUSR1 make a worker save its training, hand its trial
back, and exit with status 75.
"""

_BEST = """\
Write settings as a file that --read-ini, --read-json or --read-yaml reads: those of the trial with the lowest dev PER,
or with --independent each setting at the value with the lowest median dev PER, whatever the others were. Values are
compared in groups: each choice is one, and numbers are in up to eight groups of neighbours. A group of fewer than five
completed trials counts only where no group of that setting has five; a lower median that this leaves out is named.
"""

_IMPORTANT = """\
Write the names of the settings that matter most for the dev PER, one a line, as regular expressions for --whitelist:
  cnn-mellin --read-ini F optim --study-name NEXT URL init TRAIN_DIR --whitelist $(cat OUT)
How much each matters is printed beside the evaluator's name on stderr.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "optim",
        help="search hyperparameters with many workers on one database",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--study-name", metavar="S", help="the study (may be left out where the database has one; init calls it optim)"
    )
    parser.add_argument("db_url", metavar="URL", help="of the database; env:VARIABLE and file:PATH hold one")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_init(actions)
    _add_run(actions)
    best = _add(actions, "best", "write the best settings", _BEST)
    best.add_argument("out", metavar="OUT", nargs="?", default="-", help="file; - is stdout (default)")
    best.add_argument("--independent", action="store_true", help="each setting by itself: the lowest median")
    best.add_argument(
        "--force-type", choices=("ini", "json", "yaml"), help="(default: that of OUT's extension, else ini)"
    )
    important = _add(actions, "important", "name the settings that matter most", _IMPORTANT)
    important.add_argument("out", metavar="OUT", nargs="?", default="-", help="file; - is stdout (default)")
    few = important.add_mutually_exclusive_group()
    few.add_argument("--top-k", type=int, metavar="K", help="the first K (default: all)")
    few.add_argument("--threshold", type=float, metavar="T", help="those with at least this importance, from 0 to 1")
    important.add_argument(
        "--evaluator", choices=("fanova", "mdi", "ped-anova"), default="fanova", help="(default: fanova)"
    )
    status = _add(actions, "status", "trials by state, best, rate, dead workers, time left")
    status.add_argument(
        "--watch", type=float, nargs="?", const=10.0, metavar="SECONDS", help="again and again (default: every 10 s)"
    )
    plot = _add(actions, "plot", "history, importances, slices, parallel coordinates: PNG and one HTML")
    plot.add_argument("out_dir", type=Path, metavar="DIR", help="folder for the pictures and index.html")
    export = _add(actions, "export", "all trials as CSV, a line each")
    export.add_argument("out", metavar="OUT", nargs="?", default="-", help="file; - is stdout (default)")


def _add_init(actions: Any) -> None:
    init = _add(actions, "init", "begin a study", _INIT)
    init.add_argument("train_dir", metavar="TRAIN_DIR", help="partition; it is parted into train and dev")
    which = init.add_mutually_exclusive_group()
    patterns = "regular expressions of whole names such as 'model.window_size' or 'training.*'; @FILE holds some"
    which.add_argument("--blacklist", nargs="+", metavar="RE", help=f"search all settings but these: {patterns}")
    which.add_argument("--whitelist", nargs="+", metavar="RE", help=f"search these settings alone: {patterns}")
    init.add_argument(
        "--dev-proportion", type=float, default=0.1, metavar="P", help="of the utterances that decide (default: 0.1)"
    )
    init.add_argument(
        "--num-data-workers", type=int, default=0, metavar="N", help="threads that prepare batches (default: 0)"
    )
    init.add_argument(
        "--mem-limit-bytes",
        type=int,
        metavar="N",
        help="prune trials before training whose longest batch takes more (default: no limit)",
    )
    init.add_argument(
        "--num-trials", type=int, metavar="N", help="that count: completed or pruned, not failed (default: 128)"
    )
    init.add_argument(
        "--pruner",
        choices=("hyperband", "median", "none"),
        default="hyperband",
        help="which ends trials early whose dev PER is behind (default: hyperband)",
    )


def _add_run(actions: Any) -> None:
    run = _add(actions, "run", "be a worker of a study", _RUN)
    run.add_argument(
        "--sampler",
        choices=("tpe", "random", "nsgaii", "gp", "qmc"),
        default="tpe",
        help="which draws settings (default: tpe)",
    )
    run.add_argument(
        "--max-failed-retries",
        type=int,
        default=3,
        metavar="N",
        help="how often a trial is tried again whose worker died or failed, before it is pruned (default: 3)",
    )
    run.add_argument(
        "--model-dir",
        type=Path,
        metavar="D",
        help="keep trainings in D/STUDY/trial_NUMBER, where other workers go on with them (default: a temporary "
        "folder, so that a trial whose worker dies begins anew)",
    )
    run.add_argument(
        "--discard-ended",
        action="store_true",
        help="delete what D holds of a trial once it has ended, so that D only serves to resume trials (default: keep)",
    )
    run.add_argument(
        "--timeout", type=float, metavar="T", help="hand the trial back and leave after T seconds (default: never)"
    )
    run.add_argument(
        "--train-dir", metavar="DIR", help="a copy of the partition on this machine (default: where init found it)"
    )


def _add(actions: Any, name: str, helped: str, description: str | None = None) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=helped,
        description=description or f"{helped[0].upper()}{helped[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_run)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from cnn_mellin.extras import missing_packages, require_packages

    require_packages(f"optim {arguments.action}", ["search"], _MODULES)
    try:
        actions = import_module("cnn_mellin.cli.optim_actions")
        action: Callable[[argparse.Namespace], int] = getattr(actions, arguments.action)
        return action(arguments)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("cnn_mellin"):
            raise
        raise missing_packages(f"optim {arguments.action}", ["search"], [error.name]) from None
