"""`cnn-mellin optim`: search hyperparameters with many workers on one database."""

from __future__ import annotations

import argparse
from importlib import import_module

from cnn_mellin.extras import missing_packages, require_packages

__all__ = ["run"]

# Action -> module beside this one that has the function of that name. They are loaded by name, as they import packages
# of the extra `search`, and as only `init` and `run` need torch.
_MODULES = {
    "init": "optim_init",
    "run": "optim_worker",
    "best": "optim_results",
    "important": "optim_results",
    "status": "optim_results",
    "plot": "optim_results",
    "export": "optim_results",
}
_PACKAGES = ("optuna", "sqlalchemy")  # of the database drivers, only the one that the URL names is needed


def run(arguments: argparse.Namespace) -> int:
    """Run the action that was chosen.

    Raises:
        MissingPackageError: a package that the action needs is not installed.
    """
    require_packages(f"optim {arguments.action}", ["search"], _PACKAGES)
    try:
        module = import_module(f"cnn_mellin.cli.{_MODULES[arguments.action]}")
        status: int = getattr(module, arguments.action)(arguments)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("cnn_mellin"):
            raise
        raise missing_packages(f"optim {arguments.action}", ["search"], [error.name]) from None
    return status
