"""`cnn-mellin conf`: settings and feature configurations that ship with the program."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cnn_mellin.shipped_file import FEATURES, SETTINGS, named_shipped, nearest_shipped, shipped_files

__all__ = ["add_parser", "run"]

_KINDS = {"settings, for --read-ini NAME": SETTINGS, "features, for prep --features NAME": FEATURES}


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "conf",
        help="list or print the settings that ship with the program",
        description="List the settings and feature configurations that ship with the program, each with its purpose, "
        "or print one: to read, or as a file to start one's own from (cnn-mellin conf demo-mcorr > mine.ini). Their "
        "names work from any folder, as in cnn-mellin --read-ini demo-mcorr train TRAIN DEV MODEL.",
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="file to print (default: list them all)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the files, or print one."""
    from cnn_mellin.errors import SettingsError

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
    lines = []
    width = max(len(Path(name).stem) for name in shipped_files())
    for kind, folders in _KINDS.items():
        lines += ["", kind]
        lines += [f"  {Path(name).stem:{width}}  {purpose}" for name, purpose in shipped_files(folders).items()]
    return "\n".join(lines[1:])
