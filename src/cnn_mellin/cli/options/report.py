"""Options of `cnn-mellin report`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Write EXP/report.html, one page that needs no other file and no network, and EXP/report.md, from what a recipe has made
so far: the table of phone error rates with tests of significance, phone error rates by speaking rate, phone and
speaker, learning curves, confusions, an example, and all settings, versions and commands. Needs the extra `report`.
"""
EXAMPLES = ["cnn-mellin report exp/timit"]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("exp", metavar="EXP", help="folder of a recipe")
