"""Options of `cnn-mellin optim`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Search hyperparameters: a study is N trials in a database, each a training with other settings. Any number of workers on
any number of machines take its trials one by one.

  cnn-mellin --read-ini F optim --study-name S URL init TRAIN_DIR   create a study that starts at the settings of F
  cnn-mellin optim --study-name S URL run                           run a worker: start as many as there are machines
  cnn-mellin optim URL status --watch                               what runs, what is best, how long it takes
  cnn-mellin optim --study-name S URL important --top-k 5           the settings that matter most
  cnn-mellin optim --study-name S URL best best.ini                 settings for `cnn-mellin --read-ini best.ini`

URL names a database of PostgreSQL (postgresql+psycopg:// or postgresql+pg8000://), of MySQL or MariaDB
(mysql+pymysql://), or an SQLite file for the workers of one machine (sqlite:///search.db). It does not hold the
password: use PGPASSFILE, ~/.pgpass, mysql+pymysql:///NAME?read_default_file=FILE, or env:VARIABLE and file:PATH, which
hold the whole URL. The commands optuna and optuna-dashboard read the same studies. Needs the extra `search`.
"""
EXAMPLES = [
    "cnn-mellin --read-ini demo-mcorr optim sqlite:///search.db init data/fbank-81-10ms/train --num-trials 20",
    "cnn-mellin optim sqlite:///search.db run",
]

_URL = "cnn-mellin optim sqlite:///search.db"
_INIT = """\
Create a study of trainings on TRAIN_DIR. Some of its utterances decide on the results: all utterances of some speakers,
if ext/utt2spk beside TRAIN_DIR names the speakers. The search starts at the settings of --read-ini and the like;
settings that are not searched keep their values there. The first trial is the start itself, as far as it lies within
the ranges.

Run again with the same arguments, it changes nothing; with other arguments it names the difference and changes nothing.
"""
_RUN = """\
Run a worker: take a waiting trial, train, report, and take the next, until all trials of the study have ended. Start
any number of workers at any time. If a worker is killed, another repeats its trial with the same settings or, if they
share --model-dir, resumes it from its last checkpoint. On SIGTERM and SIGUSR1 a worker saves its training, hands its
trial back, and exits with status 75. Several processes are one worker if torchrun starts them (docs/data-parallel.md).
"""
_BEST = """\
Write settings as a file for --read-ini, --read-json or --read-yaml: those of the trial with the lowest dev PER, or with
--independent each setting at the value with the lowest median dev PER over all values of the other settings. Values are
compared in groups: each choice is one, and numbers form up to eight groups of neighbours. A group of fewer than five
completed trials counts only if no group of that setting has five; lower medians left out by this are listed.
"""
_IMPORTANT = """\
Write the names of the settings that matter most for the dev PER, one per line, as regular expressions for --whitelist:

  cnn-mellin --read-ini F optim --study-name NEXT URL init TRAIN_DIR --whitelist $(cat OUT)

Standard error lists the evaluator and the importance of each setting.
"""


def add_options(parser: CommandParser) -> None:
    """Add the actions and their options."""
    parser.add_argument(
        "--study-name",
        metavar="S",
        help="name of the study (default: the only study in the database; for init: optim)",
    )
    parser.add_argument("db_url", metavar="URL", help="database of the study; env:VARIABLE and file:PATH hold a URL")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_init_options(
        actions.add_parser(
            "init",
            help="create a study",
            description=_INIT,
            examples=[
                f"cnn-mellin --read-ini demo-mcorr {_URL.removeprefix('cnn-mellin ')} init "
                "data/fbank-81-10ms/train --num-trials 20",
                f"{_URL} init data/fbank-81-10ms/train --read-ini mine.ini --whitelist 'training.dropout.*'",
                f"{_URL} init data/fbank-81-10ms/train --read-ini mine.ini --whitelist training.log10_learning_rate "
                "--range training.log10_learning_rate -3 -2",
            ],
        )
    )
    _add_run_options(
        actions.add_parser(
            "run",
            help="run a worker, which trains trials of a study",
            description=_RUN,
            examples=[f"{_URL} run", f"{_URL} run --sampler random --model-dir trials --device cuda"],
        )
    )
    best = actions.add_parser(
        "best",
        help="write the best settings",
        description=_BEST,
        examples=[f"{_URL} best best.ini", f"{_URL} best --independent best.ini"],
    )
    _add_out(best)
    best.add_argument(
        "--independent",
        action="store_true",
        help="choose each setting independently, by its lowest median; less exposed to one lucky trial",
    )
    best.add_argument(
        "--force-type",
        choices=("ini", "json", "yaml"),
        help="format of the file (default: by the extension of OUT, else ini)",
    )
    important = actions.add_parser(
        "important",
        help="list the settings that matter most",
        description=_IMPORTANT,
        examples=[f"{_URL} important", f"{_URL} important --top-k 5 next.params"],
    )
    _add_out(important)
    few = important.add_mutually_exclusive_group()
    few.add_argument("--top-k", type=int, metavar="K", help="list only the K most important settings (default: all)")
    few.add_argument(
        "--threshold", type=float, metavar="T", help="list only settings of at least this importance, from 0 to 1"
    )
    important.add_argument(
        "--evaluator",
        choices=("fanova", "mdi", "ped-anova"),
        default="fanova",
        help="method of Optuna that measures importance (default: fanova)",
    )
    status = actions.add_parser(
        "status",
        help="list trials by state, the best, trials per hour, dead workers, time left",
        description="List for each study its trials by state, the best trial, trials per hour, dead workers, and an "
        "estimate of the time left.",
        examples=[f"{_URL} status", f"{_URL} status --watch 60"],
    )
    status.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=10.0,
        metavar="SECONDS",
        help="print it repeatedly, every so many seconds, until all trials have ended (without a number: every 10 s)",
    )
    plot = actions.add_parser(
        "plot",
        help="plot history, importances, slices and parallel coordinates: PNG files and one HTML page",
        description="Plot history, importances, slices and parallel coordinates of a study: PNG files and one HTML "
        "page.",
        examples=[f"{_URL} plot pictures"],
    )
    plot.add_argument("out_dir", type=Path, metavar="DIR", help="folder for the figures and index.html")
    export = actions.add_parser(
        "export",
        help="write all trials as CSV, one line per trial",
        description="Write all trials as CSV, one line per trial.",
        examples=[f"{_URL} export trials.csv"],
    )
    _add_out(export)


def _add_out(parser: CommandParser) -> None:
    parser.add_argument(
        "out", metavar="OUT", nargs="?", default="-", help="file to write (default: -, standard output)"
    )


def _add_init_options(parser: CommandParser) -> None:
    parser.add_argument("train_dir", metavar="TRAIN_DIR", help="partition to split into train and dev")
    which = parser.add_mutually_exclusive_group()
    patterns = "regular expressions of whole names such as 'model.window_size' or 'training.*'; @FILE reads them"
    which.add_argument("--blacklist", nargs="+", metavar="RE", help=f"search all settings but these: {patterns}")
    which.add_argument("--whitelist", nargs="+", metavar="RE", help=f"search only these settings: {patterns}")
    parser.add_argument(
        "--range",
        dest="ranges",
        nargs=3,
        action="append",
        metavar=("SETTING", "LOW", "HIGH"),
        help="search a setting from LOW to HIGH, instead of the range that `init` prints; once for each such setting",
    )
    parser.add_argument(
        "--dev-proportion",
        type=float,
        default=0.1,
        metavar="P",
        help="proportion of the utterances that decide on the results, as dev partition (default: 0.1)",
    )
    parser.add_argument(
        "--num-data-workers",
        type=int,
        default=0,
        metavar="N",
        help="number of threads that prepare batches, for a GPU that waits for data (default: 0)",
    )
    parser.add_argument(
        "--mem-limit-bytes",
        type=int,
        metavar="N",
        help="prune trials whose longest batch needs more memory, before they train, so that no GPU runs out of memory "
        "(default: no limit)",
    )
    parser.add_argument(
        "--num-trials",
        type=int,
        metavar="N",
        help="number of finished trials (completed or pruned) to reach (default: 128)",
    )
    parser.add_argument(
        "--pruner",
        choices=("hyperband", "median", "none"),
        default="hyperband",
        help="Optuna pruner that ends trials early if their dev PER is behind (default: hyperband)",
    )
    parser.add_argument(
        "--pruner-min-epochs",
        type=int,
        metavar="N",
        help="train each trial for at least N epochs before it may be pruned: more than models need to begin to "
        "recognise anything (default: 1 for hyperband, 3 for median)",
    )


def _add_run_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--sampler",
        choices=("tpe", "random", "nsgaii", "gp", "qmc"),
        default="tpe",
        help="Optuna sampler that proposes settings; random suits `important`, tpe finds good settings (default: tpe)",
    )
    parser.add_argument(
        "--max-failed-retries",
        type=int,
        default=3,
        metavar="N",
        help="number of retries of a trial whose worker died or failed, before it is pruned (default: 3)",
    )
    parser.add_argument(
        "--model-dir",
        type=Path,
        metavar="D",
        help="keep trainings in D/STUDY/trial_NUMBER, so that other workers resume them (default: a temporary folder; "
        "a trial whose worker dies restarts)",
    )
    parser.add_argument(
        "--discard-ended",
        action="store_true",
        help="delete the files of a trial in D when it has ended; D then only serves to resume trials (default: keep)",
    )
    parser.add_argument(
        "--timeout",
        dest="timeout_s",
        type=float,
        metavar="T",
        help="after T seconds hand the trial back and exit, for machines lent for a time (default: never)",
    )
    parser.add_argument(
        "--train-dir",
        metavar="DIR",
        help="copy of the partition on this machine, for speed (default: the folder given to init)",
    )
