"""Packages that may be missing: the optional ones, checks for them, and the command that installs them."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cnn_mellin.errors import UserError

__all__ = ["BASE", "EXTRAS", "MissingPackageError", "install_command", "missing_packages", "require_packages"]

# Imported module -> requirement for pip of every installation, as in pyproject.toml. The layers need two: numpy, torch.
BASE = {
    "filelock": "filelock>=3.12",
    "numpy": "numpy>=1.26",
    "pydantic": "pydantic>=2.7",
    "yaml": "PyYAML>=6",
    "soundfile": "soundfile>=0.13",
    "soxr": "soxr>=0.3.7",
    "torch": "torch>=2.6",
    "tqdm": "tqdm>=4.66",
}

# Extra -> imported module -> requirement for pip, as in pyproject.toml.
EXTRAS: dict[str, dict[str, str]] = {
    "audio": {"soxr": "soxr>=0.3.7"},
    "completion": {"shtab": "shtab>=1.13,<2"},
    "demo": {"espeakng_loader": "espeakng-loader==0.2.4", "scipy": "scipy>=1.11"},
    "features": {"panphon": "panphon>=0.22,<1"},
    "report": {"matplotlib": "matplotlib>=3.8"},
    "search": {
        "matplotlib": "matplotlib>=3.8",
        "optuna": "optuna>=5,<6",
        "pg8000": "pg8000>=1.30",
        "psycopg": "psycopg[binary]>=3.1",
        "pymysql": "PyMySQL[rsa]>=1.1",
        "sklearn": "scikit-learn>=1.4",
        "sqlalchemy": "SQLAlchemy>=2,<2.1",
    },
    "huggingface": {"pyarrow": "pyarrow>=15"},
    "export": {"onnx": "onnx>=1.16", "onnxruntime": "onnxruntime>=1.18", "onnxscript": "onnxscript>=0.3"},
    "share": {"safetensors": "safetensors>=0.4.2"},
    "mlflow": {"mlflow": "mlflow-skinny>=3"},
    "tensorboard": {"tensorboard": "tensorboard>=2.16"},
    "trackio": {"trackio": "trackio>=0.20"},
    "wandb": {"wandb": "wandb>=0.19"},
    "workflow": {
        "snakemake": "snakemake>=9.16,<10",
        "snakemake_executor_plugin_cluster_generic": "snakemake-executor-plugin-cluster-generic>=1.0.9,<2",
    },
}


class MissingPackageError(UserError):
    """An optional package that a command needs is not installed."""


def require_packages(purpose: str, extras: Sequence[str], modules: Sequence[str] | None = None) -> None:
    """Check that optional packages are installed, without importing them.

    Args:
        purpose: command or option that needs them, for the message.
        extras: every extra that the command needs; the message has one command that installs all of them.
        modules: names of the modules to look for; by default every module of the extras.

    Raises:
        MissingPackageError: some are missing; the message names them and the command that installs the extras.

    >>> require_packages("score --plot", ["report"], modules=["json"])
    """
    wanted = [module for extra in extras for module in EXTRAS[extra]] if modules is None else modules
    missing = [module for module in dict.fromkeys(wanted) if importlib.util.find_spec(module) is None]
    if missing:
        raise missing_packages(purpose, extras, missing)


def missing_packages(purpose: str, extras: Sequence[str], modules: Sequence[str]) -> MissingPackageError:
    """Make the error that names missing packages; the arguments are those of `require_packages`."""
    names = ", ".join(_package(module) for module in modules)
    verb = "is" if len(modules) == 1 else "are"
    return MissingPackageError(f"{purpose}: needs {names}, which {verb} not installed; {install_command(extras)}")


def install_command(extras: Sequence[str]) -> str:
    """Phrase with the command that installs extras, or without any the program, into the running environment.

    The package is not on an index, so the command names the checkout that it runs in or was installed from. If that no
    longer exists, the command names the requirements.

    >>> install_command(["report", "workflow"])  # doctest: +ELLIPSIS
    "install ... with: ...pip install ..."
    """
    checkout, editable = _checkout()
    if checkout is None:
        tables = [EXTRAS[extra] for extra in extras] or [BASE]
        wanted = list(dict.fromkeys(package for table in tables for package in table.values()))
    else:
        wanted = [*(["--editable"] if editable else []), f"{checkout}[{','.join(extras)}]" if extras else str(checkout)]
    of = f"extra{'s' if len(extras) > 1 else ''} {', '.join(extras)}" if extras else "packages of the program"
    return f"install the {of} with: {_pip()} install {shlex.join(wanted)}"


def _package(module: str) -> str:
    """Name of the distribution that provides a module."""
    for packages in (BASE, *EXTRAS.values()):
        if module in packages:
            return packages[module].partition("[")[0].partition(">")[0].partition("=")[0]
    return module


def _pip() -> str:
    """Shortest command that surely runs the pip of this environment."""
    found = shutil.which("pip")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "pip"
    return f"{shlex.quote(sys.executable)} -m pip"


def _checkout() -> tuple[Path | None, bool]:
    """Checkout of this package, and True if it runs from there (as an editable installation does)."""
    root = Path(__file__).parents[2]
    if (root / "pyproject.toml").is_file():
        return root, True
    try:  # pip records the folder that a package was installed from (PEP 610)
        origin = json.loads(distribution("cnn-mellin").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None, False
    address = urlsplit(str(origin.get("url", "")))
    folder = Path(url2pathname(address.path))
    if address.scheme == "file" and (folder / "pyproject.toml").is_file():
        return folder, False
    return None, False
