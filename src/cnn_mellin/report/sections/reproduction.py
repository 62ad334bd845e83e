"""Section on what a reader needs to repeat the recipe: settings, versions, digests of the data, and commands."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cnn_mellin.config import read_settings
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.report.recipe_results import RecipeResults, read_product
from cnn_mellin.report.report_page import Section

__all__ = ["reproduction_section"]

_PACKAGES = ("cnn-mellin", "torch", "numpy", "scipy", "optuna", "snakemake", "matplotlib")
_PARTITION = {"digest?": str}


def reproduction_section(results: RecipeResults) -> Section:
    """Settings of each system and how they differ, versions, digests of partitions, commands and their logs."""
    section = Section("Settings, versions, commands")
    files = {system: results.folder / "conf" / "final" / f"{system}.ini" for system in results.systems}
    files = {system: path for system, path in files.items() if path.exists()}
    if len(files) > 1:
        differences = _differences(files)
        if differences:
            section.text("Settings that differ; all others are the same.")
            section.table(["setting", *files], differences)
        else:
            section.text("All systems have the same settings.")
    for system, path in files.items():
        kept = [line for line in read_lines(path) if line.strip() and not line.startswith("#")]
        section.folded(f"Settings of {system}", "\n".join(kept))
    versions = [[name, _version(name)] for name in _PACKAGES]
    section.table(["package", "version"], [*versions, ["Python", platform.python_version()]])
    digests = []
    for name in results.options.feature_names:
        for partition in ("train", "dev", "test"):
            about = read_product(results.folder / "data" / name / partition / "partition.json", _PARTITION) or {}
            digests.append([f"{name}/{partition}", str(about.get("digest", "–"))[:16]])
    section.table(["data", "fingerprint"], digests)
    steps = plan_recipe(results.options, results.folder)
    section.folded("All commands, each run in the recipe's folder", "\n".join(step.command for step in steps))
    logs = {step.name: f"logs/{step.name}.log" for step in steps}
    logs = {name: path for name, path in logs.items() if (results.folder / path).exists()}
    if logs:
        section.links("Logs of the steps, where the page is still in the recipe's folder", logs)
    return section


def _differences(files: Mapping[str, Path]) -> list[list[str]]:
    """Settings whose values differ between files: name, and the value in each file."""
    settings = [asdict(read_settings(path)) for path in files.values()]
    rows = []
    for section, values in settings[0].items():
        for name in values:
            cells = [_cell(other[section][name]) for other in settings]
            if len(set(cells)) > 1:
                rows.append([f"{section}.{name}", *cells])
    return rows


def _cell(value: object) -> str:
    return "–" if value is None else str(value)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
