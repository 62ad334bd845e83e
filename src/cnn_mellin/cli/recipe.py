"""`cnn-mellin recipe`: a corpus through all steps, to a report."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.errors import SettingsError
from cnn_mellin.shipped_file import FEATURES, SETTINGS, file_or_shipped

__all__ = ["add_parser", "check_installed"]

_DESCRIPTION = """\
From a corpus to a report of how linear (lcorr) and Mellin (mcorr) models compare: prepare it, search for settings if
wanted, train every model with every seed, decode, score, compare, and draw. All goes into the folder EXP.

  cnn-mellin recipe TIMIT exp/timit --cores 4               the published settings, 20 seeds
  cnn-mellin --device cuda recipe TIMIT exp/timit --profile slurm
  cnn-mellin recipe DEMO exp/demo --tiny                    small models, in minutes: make demo is this
  cnn-mellin recipe status exp/timit                        what is done, running, failed and left

Each step is one cnn-mellin command, run in EXP; --dry-run lists them. The same command goes on after whatever has
happened, and does only what is missing or whose settings, program version or inputs have changed.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "recipe",
        help="a corpus through all steps, to a report",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "corpus", metavar="CORPUS", help="TIMIT's folder, Kaldi's folders, or a table; or the word status"
    )
    parser.add_argument("exp", metavar="EXP", help="folder for all that is made")
    what = parser.add_argument_group("what")
    what.add_argument(
        "--features", nargs="+", default=["fbank-81-10ms"], metavar="TYPE", help="as in prep (default: fbank-81-10ms)"
    )
    what.add_argument(
        "--models", nargs="+", default=["lcorr", "mcorr"], choices=["lcorr", "mcorr"], help="(default: lcorr mcorr)"
    )
    what.add_argument("--seeds", type=int, metavar="N", help="final trainings of each model (default: 20; tiny: 2)")
    what.add_argument(
        "--settings",
        dest="start",
        nargs="+",
        default=[],
        metavar="[MODEL[-TYPE]=]FILE",
        help="ini files to begin with (default: those published for lcorr, for both models)",
    )
    what.add_argument("--search", action="store_true", help="search for the settings first")
    what.add_argument(
        "--db-url",
        default="",
        metavar="URL",
        help="of the searches' database (default: EXP/search.db, for one machine)",
    )
    what.add_argument("--partial", action="store_true", help="take a TIMIT-like corpus that is not a full TIMIT")
    what.add_argument(
        "--prep-options", default="", metavar="TEXT", help="more options of prep, such as --prep-options='--phones 61'"
    )
    what.add_argument("--tiny", action="store_true", help="small sizes and models, and a corpus that may be partial")
    what.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="SIZE=VALUE",
        help="sizes, such as num_trials_sm=64 (see docs/recipe.md)",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--profile", default="local", metavar="P", help="local (default), slurm, or FILE.yaml made from one of them"
    )
    how.add_argument("--cores", type=int, metavar="N", help="steps at once (default: cores here; slurm: 100)")
    how.add_argument("--until", metavar="STAGE", help="stop after prep, train, decode, ... (any stage of status)")
    how.add_argument("--dry-run", action="store_true", help="list the commands that would be run")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the recipe, or tell how it stands."""
    if arguments.corpus == "status":
        from cnn_mellin.recipe.status import recipe_status

        print(recipe_status(arguments.exp))
        return 0
    if arguments.settings is not None:
        raise SettingsError("recipe: takes settings from --settings FILE, not from --read-ini and the like")
    options = _options(arguments)
    check_installed("recipe", search=options.search, db_url=options.db_url)
    from cnn_mellin.cli.log_lines import show_log
    from cnn_mellin.cli.recipe_database import require_search_database
    from cnn_mellin.recipe.display import RecipeDisplay
    from cnn_mellin.recipe.profile import read_profile
    from cnn_mellin.recipe.run import run_recipe
    from cnn_mellin.report.recipe_report import results_text

    _check_corpus(options)
    profile = read_profile(arguments.profile)
    if options.search:
        require_search_database(options.db_url, several_machines=profile.machine_name != "local")
    quiet = arguments.quiet and not arguments.dry_run  # the list of a dry run is what the user wants to see
    show_log(quiet=quiet)
    with RecipeDisplay(arguments.exp, quiet=quiet):
        failed = run_recipe(
            options,
            arguments.exp,
            machine=profile.machine(Path(arguments.exp), options.device),
            cores=profile.num_jobs(_cores()) if arguments.cores is None else arguments.cores,
            until=arguments.until,
            dry_run=arguments.dry_run,
        )
    if failed:
        again = "mend what is wrong, and the same command goes on"
        steps = "1 step" if len(failed) == 1 else f"{len(failed)} steps"
        print(f"cnn-mellin: {steps} failed; {again}:", file=sys.stderr)
        for name, why in failed.items():
            print(f"  {name}: {why} ({arguments.exp}/logs/{name}.log)", file=sys.stderr)
        return 1
    if not arguments.dry_run:
        if arguments.until in (None, "report"):
            print(f"{results_text(arguments.exp)}\npage with all tables and pictures: {arguments.exp}/report.html")
        else:
            print(f"{arguments.exp}: up to date as far as {arguments.until}")
    return 0


def check_installed(purpose: str, *, search: bool = False, db_url: str = "", synthesis: bool = False) -> None:
    """Check that all packages that a recipe needs are installed, before it begins.

    Args:
        purpose: command that runs the recipe, for the message.
        search: whether it searches for settings.
        db_url: URL of the searches' database, of whose drivers one is needed; empty for SQLite.
        synthesis: whether a corpus is synthesised for it.

    Raises:
        MissingPackageError: some are not.
    """
    from cnn_mellin.extras import EXTRAS, require_packages

    extras = ["workflow", "report", *(["search"] if search else []), *(["demo"] if synthesis else [])]
    drivers = {"psycopg", "pg8000", "pymysql"}
    unused = {driver for driver in drivers if f"+{driver}:" not in db_url}
    require_packages(purpose, extras, [module for extra in extras for module in EXTRAS[extra] if module not in unused])


def _options(arguments: argparse.Namespace) -> Any:
    from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, corpus_kind_of, tiny_sizes

    corpus = Path(arguments.corpus).resolve()
    kind = corpus_kind_of(corpus)
    seeds = arguments.seeds if arguments.seeds is not None else 2 if arguments.tiny else 20
    if seeds < 1:
        raise SettingsError(f"--seeds {seeds}: must be at least 1")
    prep_options = shlex.split(arguments.prep_options)
    if arguments.partial and kind != "timit":
        raise SettingsError(f"--partial: {arguments.corpus} is no corpus of TIMIT's layout; leave the option out")
    if (arguments.partial or arguments.tiny) and kind == "timit" and "--partial" not in prep_options:
        prep_options.append("--partial")
    return RecipeOptions(
        str(corpus),
        kind,
        tuple(prep_options),
        tuple(
            str(file_or_shipped(name, FEATURES).resolve()) if name.endswith(".json") else name
            for name in arguments.features
        ),
        tuple(dict.fromkeys(arguments.models)),
        seeds,
        _start(arguments.start),
        arguments.tiny,
        arguments.search,
        _db_url(arguments.db_url),
        arguments.device or "cpu",
        (tiny_sizes() if arguments.tiny else RecipeSizes()).updated(_pairs(arguments.set)),
    )


def _db_url(given: str) -> str:
    """The URL, for commands that run in the recipe's folder."""
    return f"file:{Path(given.removeprefix('file:')).resolve()}" if given.startswith("file:") else given


def _check_corpus(options: Any) -> None:
    """Say now what the first step would say of a corpus that is none."""
    if options.corpus_kind == "timit":
        from cnn_mellin.corpora.timit import require_timit

        require_timit(options.corpus)
    elif options.corpus_kind == "table":
        from cnn_mellin.corpora.table import read_table

        read_table(options.corpus)


def _start(texts: Sequence[str]) -> dict[str, str]:
    start = {}
    for text in texts:
        system, divider, file = text.rpartition("=")
        if divider and system.split("-")[0] not in ("lcorr", "mcorr"):
            raise SettingsError(f"--settings {text}: must be FILE, MODEL=FILE or MODEL-FEATURES=FILE (lcorr=a.ini)")
        start[system] = str(file_or_shipped(file, SETTINGS).resolve())
    return start


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, divider, _ in pairs:
        if not divider:
            raise SettingsError(f"--set {name}: must be SIZE=VALUE, such as num_trials_sm=64")
    return {name: value for name, _, value in pairs}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
