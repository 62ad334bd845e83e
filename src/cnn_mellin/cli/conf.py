"""`cnn-mellin conf`: list or print the settings and feature configurations that ship with the program."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnn_mellin.errors import SettingsError
from cnn_mellin.shipped_file import FEATURES, SETTINGS, named_shipped, nearest_shipped, shipped_files

__all__ = ["run"]

_KINDS = {"settings, for --read-ini NAME": SETTINGS, "features, for prep --features NAME": FEATURES}


def run(arguments: argparse.Namespace) -> int:
    """List the files, or print one."""
    if arguments.name is None:
        print(_listed())
        return 0
    path = named_shipped(arguments.name)
    if path is None:
        known = nearest_shipped(arguments.name)
        raise SettingsError(f"conf {arguments.name}: no such file ships with the program; {known}")
    print(path.read_text(encoding="utf-8"), end="")
    return 0


def _listed() -> str:
    """Table of the files and their purposes."""
    lines = []
    width = max(len(Path(name).stem) for name in shipped_files())
    for kind, folders in _KINDS.items():
        lines += ["", kind]
        lines += [f"  {Path(name).stem:{width}}  {purpose}" for name, purpose in shipped_files(folders).items()]
    return "\n".join(lines[1:])
