"""Configuration files that ship with the package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped_file"]


def shipped_file(name: str) -> Path:
    """Path of a file of `conf/`, such as `model/demo-lcorr.ini`.

    An installed package has `conf` inside, a checkout has it at its root.

    Raises:
        FileNotFoundError: there is no such file.

    >>> shipped_file("optim/model-mcorr-sm.ini").name
    'model-mcorr-sm.ini'
    """
    package = Path(__file__).parent
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"conf/{name} is not part of this installation")
