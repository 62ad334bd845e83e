"""Options of `cnn-mellin conf`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
List the settings and feature configurations that ship with the program, with the purpose of each, or print one, to read
it or to start a file of your own from it. Their names work in any folder, as in
cnn-mellin --read-ini demo-mcorr train TRAIN DEV MODEL_DIR.
"""
EXAMPLES = ["cnn-mellin conf", "cnn-mellin conf demo-mcorr > mine.ini"]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of the file to print (default: list all files)")
