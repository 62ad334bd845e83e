"""Section on what a reader needs to repeat the recipe: settings, versions, digests of the data, and commands."""

from __future__ import annotations

import importlib.metadata
import platform

from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.report.recipe_results import RecipeResults, read_product
from cnn_mellin.report.report_page import Section

__all__ = ["reproduction_section"]

_PACKAGES = ("cnn-mellin", "torch", "numpy", "scipy", "optuna", "snakemake", "matplotlib")
_PARTITION = {"digest?": str}


def reproduction_section(results: RecipeResults) -> Section:
    """Final settings of each system, versions of packages, digests of partitions, and the commands of all steps."""
    section = Section("Settings, versions, commands")
    for system in results.systems:
        path = results.folder / "conf" / "final" / f"{system}.ini"
        if path.exists():
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
    commands = "\n".join(step.command for step in plan_recipe(results.options, results.folder))
    section.folded("All commands, each run in the recipe's folder", commands)
    return section


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
