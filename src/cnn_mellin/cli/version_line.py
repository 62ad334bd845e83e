"""Versions of the program and of what it runs on, for reports of faults."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from cnn_mellin import __version__

__all__ = ["version_line"]


def version_line() -> str:
    """One line with the versions of the program, Python and torch, and the kind of machine.

    >>> version_line().startswith(f"cnn-mellin {__version__}, Python 3.")
    True
    """
    try:
        torch_version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch_version = "missing"
    return (
        f"cnn-mellin {__version__}, Python {platform.python_version()}, torch {torch_version}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores"
    )
