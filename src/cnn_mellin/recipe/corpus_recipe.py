"""A whole experiment by one call: from a corpus to a report that compares linear and Mellin models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.timit import require_timit
from cnn_mellin.errors import SettingsError
from cnn_mellin.extras import EXTRAS, require_packages
from cnn_mellin.recipe.options import RecipeOptions, RecipeSizes, corpus_kind_of, tiny_sizes
from cnn_mellin.recipe.run import run_recipe
from cnn_mellin.recipe.search_database import driver_in_url, require_search_database
from cnn_mellin.recipe.workflow import find_profile, profile_executor
from cnn_mellin.shipped_file import FEATURES, SETTINGS, file_or_shipped

__all__ = ["recipe_options", "require_recipe_packages", "run_corpus_recipe"]

_MODELS = ("lcorr", "mcorr")


def run_corpus_recipe(
    options: RecipeOptions,
    folder: str | Path,
    *,
    profile: str = "local",
    cores: int | None = None,
    until: str | None = None,
    dry_run: bool = False,
    before_steps: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Run all steps of a recipe on this machine or a cluster; the same call resumes after any interruption.

    Only steps whose results are missing or out of date are run. Each step that has ended is logged, at level info.

    Args:
        options: options from `recipe_options`.
        folder: folder of all results; created where it is missing.
        profile: where steps run: `local`, `slurm`, or the folder of a Snakemake profile.
        cores: number of steps that run at the same time; None for one per core, or as many as the profile says.
        until: last stage to run, such as `train`; None for all.
        dry_run: log the commands of the steps to do, and run none.
        before_steps: called once all options have been checked, before the first step.

    Returns:
        Failed steps: name -> reason. All others are done.

    Raises:
        UserError: an option is wrong, the corpus is not one, a package is missing, or the recipe is running already.
        KeyboardInterrupt: SIGINT or SIGTERM stopped the recipe.
    """
    require_recipe_packages("recipe", search=options.search, db_url=options.db_url)
    if options.corpus_kind == "timit":
        require_timit(options.corpus)
    elif options.corpus_kind == "table":
        read_table(options.corpus)
    chosen = find_profile(profile)
    several_machines = profile_executor(chosen) != "local"
    if options.search:
        require_search_database(options.db_url, driver_in_url(options.db_url), several_machines=several_machines)
    return run_recipe(
        options,
        folder,
        profile=chosen,
        cores=cores,
        until=until,
        dry_run=dry_run,
        before_steps=before_steps,
    )


def recipe_options(
    corpus: str | Path,
    *,
    features: Sequence[str] = ("fbank-81-10ms",),
    models: Sequence[str] = _MODELS,
    seeds: int | None = None,
    start: Mapping[str, str | Path] | None = None,
    search: bool = False,
    db_url: str = "",
    partial: bool = False,
    prep_options: Sequence[str] = (),
    tiny: bool = False,
    sizes: RecipeSizes | None = None,
    device: str = "cpu",
    gpus_per_training: int = 1,
) -> RecipeOptions:
    """Make the options of a recipe, with paths made absolute and names of shipped files resolved.

    Args:
        corpus: folder of TIMIT or of Kaldi data folders, or a table.
        features: names of feature types, or paths or shipped names of NAME.json files that define one.
        models: models to compare: lcorr, mcorr or both.
        seeds: number of final trainings per model; None for 20, or 2 with `tiny`.
        start: settings to start from: `MODEL-FEATURES`, `MODEL` or the empty string (for all) -> ini file, or its name
            if it ships with the package. None for the published settings.
        search: search for the best settings before the final trainings.
        db_url: database of the searches; empty for an SQLite file in the recipe's folder.
        partial: accept a corpus in TIMIT's layout that is not a full TIMIT.
        prep_options: further arguments of the command `prep`.
        tiny: small sizes and models, to try the recipe; implies `partial` for TIMIT.
        sizes: numbers of trials, workers, epochs and the like; None for the default sizes.
        device: device on which models are trained and decoded.
        gpus_per_training: number of processes per final training, each with a GPU of its own.

    Raises:
        SettingsError: the corpus or a file does not exist, or an option is wrong.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     options = recipe_options(folder, tiny=True, models=["mcorr"])
    >>> options.corpus_kind, options.num_seeds, options.models, options.prep_options
    ('timit', 2, ('mcorr',), ('--partial',))
    """
    path = Path(corpus).resolve()
    kind = corpus_kind_of(path)
    if seeds is None:
        seeds = 2 if tiny else 20
    if seeds < 1:
        raise SettingsError(f"seeds {seeds}: must be at least 1")
    if gpus_per_training < 1:
        raise SettingsError(f"gpus_per_training {gpus_per_training}: must be at least 1")
    for model in models:
        if model not in _MODELS:
            raise SettingsError(f"models {model}: must be {' or '.join(_MODELS)}")
    if partial and kind != "timit":
        raise SettingsError(f"partial=True: {corpus} is not a corpus in TIMIT's layout; leave the option out")
    further = list(prep_options)
    if (partial or tiny) and kind == "timit" and "--partial" not in further:
        further.append("--partial")
    return RecipeOptions(
        str(path),
        kind,
        tuple(further),
        tuple(str(file_or_shipped(name, FEATURES).resolve()) if name.endswith(".json") else name for name in features),
        tuple(dict.fromkeys(models)),
        seeds,
        {system: _settings_file(system, str(file)) for system, file in (start or {}).items()},
        tiny,
        search,
        f"file:{Path(db_url.removeprefix('file:')).resolve()}" if db_url.startswith("file:") else db_url,
        device,
        gpus_per_training,
        sizes or (tiny_sizes() if tiny else RecipeSizes()),
    )


def require_recipe_packages(purpose: str, *, search: bool = False, db_url: str = "", synthesis: bool = False) -> None:
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


def _settings_file(system: str, file: str) -> str:
    if system and system.split("-")[0] not in _MODELS:
        raise SettingsError(f"start {system}={file}: must be FILE, MODEL=FILE or MODEL-FEATURES=FILE (lcorr=a.ini)")
    return str(file_or_shipped(file, SETTINGS).resolve())
