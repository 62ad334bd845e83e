"""`cnn-mellin recipe`: run all steps from a corpus to a report."""

from __future__ import annotations

import argparse
import logging
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cnn_mellin.cli.log_lines import show_log
from cnn_mellin.errors import SettingsError
from cnn_mellin.recipe.corpus_recipe import recipe_options, require_recipe_packages, run_corpus_recipe
from cnn_mellin.recipe.display import RecipeDisplay
from cnn_mellin.recipe.next_command import transcribe_command
from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, tiny_sizes
from cnn_mellin.recipe.plan import system_settings
from cnn_mellin.recipe.search_database import require_search_database
from cnn_mellin.recipe.status import recipe_status
from cnn_mellin.recipe.workflow import find_profile, profile_executor

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Run the recipe, or print its status."""
    if arguments.corpus == "status":
        print(recipe_status(arguments.exp))
        return 0
    if arguments.settings is not None:
        raise SettingsError("recipe: takes settings from --settings FILE, not from --read-ini and the like")
    options = recipe_options(
        arguments.corpus,
        features=arguments.features,
        models=arguments.models,
        seeds=arguments.seeds,
        start=_start(arguments.start),
        search=arguments.search,
        db_url=arguments.db_url,
        partial=arguments.partial,
        prep_options=shlex.split(arguments.prep_options),
        tiny=arguments.tiny,
        sizes=_sizes(arguments),
        device=arguments.device or "cpu",
        gpus_per_training=arguments.gpus_per_training,
    )
    if options.search:
        _check_database(options.db_url, arguments.profile)
    quiet = arguments.quiet and not arguments.dry_run  # the list of a dry run is what the user wants to see
    show_log(quiet=quiet, verbose=arguments.verbose)
    with RecipeDisplay(arguments.exp, until=arguments.until, quiet=quiet):
        failed = run_corpus_recipe(
            options,
            arguments.exp,
            profile=arguments.profile,
            cores=arguments.cores,
            until=arguments.until,
            dry_run=arguments.dry_run,
            before_steps=lambda: _warn_of_layers(options),
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
            _print_places(arguments)
        else:
            print(f"{arguments.exp}: up to date as far as {arguments.until}")
    return 0


def _warn_of_layers(options: RecipeOptions) -> None:
    """Log which kernel rows of the Mellin models cannot learn, before hours are spent on training them."""
    if "mcorr" not in options.models:
        return
    from cnn_mellin.features import FeatureExtractor  # imports torch, which status does without
    from cnn_mellin.models.layer_summary import summarize_layers

    for name, features in zip(options.feature_names, options.features, strict=True):
        num_coefficients = FeatureExtractor.load(features).num_coefficients
        fault = summarize_layers(num_coefficients, system_settings(options, "mcorr", name).model).fault
        if fault is not None:
            _log.warning("mcorr-%s: %s", name, fault)


def _print_places(arguments: argparse.Namespace) -> None:
    """Print where the results are and, unless --quiet is given, what to try next."""
    exp = Path(arguments.exp)
    places = {"corpus": Path(arguments.corpus), "features and references": exp / "data", "models": exp / "models"}
    for what, path in (places | {"transcripts": exp / "systems", "logs": exp / "logs"}).items():
        print(f"{what}: {path}")
    command = None if arguments.quiet else transcribe_command(exp)
    if command is not None:
        print(f"\nto try next, with this recording or one of your own:\n  {_as_typed(command)}")


def _as_typed(command: str) -> str:
    """A command of this program, with the program's path where a shell would not find it, as after `make demo`."""
    program = Path(sys.executable).parent / "cnn-mellin"
    if shutil.which("cnn-mellin") is not None or not program.exists():
        return command
    below = program.parent != Path.cwd() and program.is_relative_to(Path.cwd())
    shown = program.relative_to(Path.cwd()) if below else program
    return command.replace("cnn-mellin", shlex.quote(str(shown)), 1)


def _check_database(db_url: str, profile: str) -> None:
    """Check the database of the searches as far as that needs no connection, also where a URL is held elsewhere."""
    require_recipe_packages("recipe", search=True, db_url=db_url)
    from cnn_mellin.search.database_url import resolve_database_url  # of an extra: a recipe without searches lacks it

    if db_url:
        several_machines = profile_executor(find_profile(profile)) != "local"
        driver = "sqlite" if db_url.startswith("sqlite") else resolve_database_url(db_url).drivername
        require_search_database(db_url, driver, several_machines=several_machines)


def _sizes(arguments: argparse.Namespace) -> RecipeSizes:
    """Sizes of the recipe, changed by `--set`."""
    sizes = tiny_sizes() if arguments.tiny else RecipeSizes()
    pairs = [text.partition("=") for text in arguments.set]
    for name, divider, _ in pairs:
        if not divider:
            raise SettingsError(f"--set {name}: must be SIZE=VALUE, as in num_trials_sm=64")
    try:
        return sizes.updated({name: value for name, _, value in pairs})
    except SettingsError as error:
        raise SettingsError(f"--set {error}") from None


def _start(texts: Sequence[str]) -> dict[str, str]:
    """Model, or model and feature type, or "" for all -> name of its settings file."""
    start = {}
    for text in texts:
        system, divider, file = text.rpartition("=")
        if divider and not system:
            raise SettingsError(f"--settings {text}: must be FILE, MODEL=FILE or MODEL-FEATURES=FILE (lcorr=a.ini)")
        start[system] = file
    return start
