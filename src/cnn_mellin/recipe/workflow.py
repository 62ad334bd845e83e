"""The workflow in a recipe's folder: its Snakefile, options and plan, and which of its steps are out of date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.text_file import parse_yaml, read_text
from cnn_mellin.nearest import close_name
from cnn_mellin.recipe.options import RecipeOptions, read_options, write_options
from cnn_mellin.recipe.plan import plan_recipe, start_settings, write_start_settings
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords

__all__ = ["check_steps", "find_profile", "profile_executor", "stamps", "write_workflow"]

_HERE = Path(__file__).parent
_FILES = ("Snakefile", "profiles/default/config.yaml")


def write_workflow(folder: Path, options: RecipeOptions) -> None:
    """Write the Snakefile, its profile and its options to a recipe's folder; files that are the same are not touched.

    Args:
        folder: the recipe's folder; created where it is missing.
        options: the recipe's options.

    Raises:
        SettingsError: settings of a model are missing or wrong; then nothing is written.
    """
    start = start_settings(options)
    for name in _FILES:
        path, content = folder / name, (_HERE / name).read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != content:
            with atomic_file(path, "wb") as file:
                file.write(content)
    write_start_settings(folder, start)
    write_options(folder, options)


def check_steps(folder: str | Path) -> tuple[list[Step], list[str]]:
    """Plan a recipe's steps anew, and delete the stamps of those that are out of date, so that Snakemake runs them.

    Args:
        folder: the recipe's folder.

    Returns:
        All steps, and the names of those whose products have changed or are missing.

    Raises:
        DataError: the folder holds no recipe, or a file in it is damaged.
        SettingsError: settings of a model are missing or wrong.
    """
    folder = Path(folder).resolve()
    options, records = read_options(folder), StepRecords(folder)
    write_start_settings(folder, start_settings(options))
    steps = plan_recipe(options, folder)
    records.write_plan(steps)
    changed = records.forget_changed(steps)
    records.forget_outdated(steps)
    for step in records.steps_to_do(steps):  # with those that follow, which Snakemake would take to be up to date
        records.delete(step.name, "done")
    return steps, changed


def find_profile(name: str) -> Path:
    """Folder of a Snakemake profile.

    Args:
        name: name of a profile that ships with the package, or path of a folder with a file config.yaml.

    Raises:
        SettingsError: there is no such profile.

    >>> find_profile("local").name
    'local'
    """
    shipped = sorted(path.parent.name for path in (_HERE / "profiles").glob("*/config.yaml"))
    shipped.remove("default")
    path = _HERE / "profiles" / name if name in shipped else Path(name).resolve()
    if not any(path.glob("config*.yaml")):
        near = close_name(name, shipped)
        hint = "" if near is None else f"; did you mean {near}?"
        raise SettingsError(
            f"profile {name}: is not a folder with a file config.yaml; it must be {', '.join(shipped)}, or the folder "
            f"of a Snakemake profile{hint}"
        )
    return path


def profile_executor(profile: Path) -> str:
    """Executor that a Snakemake profile names, `local` where it names none.

    Raises:
        SettingsError: the profile is damaged.
    """
    content: dict[str, Any] = {}
    for path in sorted(profile.glob("config*.yaml")):
        read = parse_yaml(read_text(path, SettingsError), path, SettingsError) or {}
        if not isinstance(read, dict):
            raise SettingsError(f"{path}: must hold names and values, such as executor: slurm")
        content |= read
    return str(content.get("executor", "local"))


def stamps(steps: Sequence[Step]) -> list[str]:
    """Stamps of steps, relative to the recipe's folder: the files that the Snakefile's rules make."""
    return [f"steps/{step.name}.done" for step in steps]
