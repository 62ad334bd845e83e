"""`cnn-mellin recipe`: run all steps from a corpus to a report."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from cnn_mellin.cli.log_lines import show_log
from cnn_mellin.cli.recipe_database import require_search_database
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.timit import require_timit
from cnn_mellin.errors import SettingsError
from cnn_mellin.extras import EXTRAS, require_packages
from cnn_mellin.recipe.display import RecipeDisplay
from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, corpus_kind_of, tiny_sizes
from cnn_mellin.recipe.profile import read_profile
from cnn_mellin.recipe.run import run_recipe
from cnn_mellin.recipe.status import recipe_status
from cnn_mellin.shipped_file import FEATURES, SETTINGS, file_or_shipped

__all__ = ["check_installed", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the recipe, or print its status."""
    if arguments.corpus == "status":
        print(recipe_status(arguments.exp))
        return 0
    if arguments.settings is not None:
        raise SettingsError("recipe: takes settings from --settings FILE, not from --read-ini and the like")
    options = _options(arguments)
    check_installed("recipe", search=options.search, db_url=options.db_url)
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
        again = "mend what is wrong, then run the same command again to resume"
        steps = "1 step" if len(failed) == 1 else f"{len(failed)} steps"
        print(f"cnn-mellin: {steps} failed; {again}:", file=sys.stderr)
        for name, why in failed.items():
            print(f"  {name}: {why} ({arguments.exp}/logs/{name}.log)", file=sys.stderr)
        return 1
    if not arguments.dry_run:
        if arguments.until in (None, "report"):
            from cnn_mellin.report.recipe_report import results_text  # imports torch, which status does without

            print(f"{results_text(arguments.exp)}\npage with all tables and pictures: {arguments.exp}/report.html")
        else:
            print(f"{arguments.exp}: up to date as far as {arguments.until}")
    return 0


def check_installed(purpose: str, *, search: bool = False, db_url: str = "", synthesis: bool = False) -> None:
    """Check that all packages that a recipe needs are installed, before it starts.

    Args:
        purpose: command that runs the recipe, for the message.
        search: the recipe searches for settings.
        db_url: URL of the searches' database, which names the one driver needed; empty for SQLite.
        synthesis: the demo corpus is synthesised first.

    Raises:
        MissingPackageError: a package is not installed.
    """
    extras = ["workflow", "report", *(["search"] if search else []), *(["demo"] if synthesis else [])]
    drivers = {"psycopg", "pg8000", "pymysql"}
    unused = {driver for driver in drivers if f"+{driver}:" not in db_url}
    require_packages(purpose, extras, [module for extra in extras for module in EXTRAS[extra] if module not in unused])


def _options(arguments: argparse.Namespace) -> RecipeOptions:
    """Options of the recipe, from those of the command line."""
    corpus = Path(arguments.corpus).resolve()
    kind = corpus_kind_of(corpus)
    seeds = arguments.seeds if arguments.seeds is not None else 2 if arguments.tiny else 20
    if seeds < 1:
        raise SettingsError(f"--seeds {seeds}: must be at least 1")
    prep_options = shlex.split(arguments.prep_options)
    if arguments.partial and kind != "timit":
        raise SettingsError(f"--partial: {arguments.corpus} is not a corpus in TIMIT's layout; leave the option out")
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
        _sizes(arguments),
    )


def _sizes(arguments: argparse.Namespace) -> RecipeSizes:
    """Sizes of the recipe, changed by `--set`."""
    sizes = tiny_sizes() if arguments.tiny else RecipeSizes()
    try:
        return sizes.updated(_pairs(arguments.set))
    except SettingsError as error:
        raise SettingsError(f"--set {error}") from None


def _db_url(given: str) -> str:
    """URL for commands that run in the recipe's folder: paths of `file:` made absolute."""
    return f"file:{Path(given.removeprefix('file:')).resolve()}" if given.startswith("file:") else given


def _check_corpus(options: RecipeOptions) -> None:
    """Raise now what the first step would raise for a folder or file that is not a corpus."""
    if options.corpus_kind == "timit":
        require_timit(options.corpus)
    elif options.corpus_kind == "table":
        read_table(options.corpus)


def _start(texts: Sequence[str]) -> dict[str, str]:
    """Model, or model and feature type, or "" for all -> path of its settings file."""
    start = {}
    for text in texts:
        system, divider, file = text.rpartition("=")
        if divider and system.split("-")[0] not in ("lcorr", "mcorr"):
            raise SettingsError(f"--settings {text}: must be FILE, MODEL=FILE or MODEL-FEATURES=FILE (lcorr=a.ini)")
        start[system] = str(file_or_shipped(file, SETTINGS).resolve())
    return start


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """Name of a size -> its value as text."""
    pairs = [text.partition("=") for text in texts]
    for name, divider, _ in pairs:
        if not divider:
            raise SettingsError(f"--set {name}: must be SIZE=VALUE, as in num_trials_sm=64")
    return {name: value for name, _, value in pairs}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
