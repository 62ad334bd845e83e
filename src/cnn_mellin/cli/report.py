"""`cnn-mellin report`: the results of a recipe on one page."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "report",
        help="the results of a recipe on one page",
        description="Write EXP/report.html, one page that needs no other file and no network, and EXP/report.md, from "
        "what a recipe has made so far: the table of phone error rates with tests of significance, rates by speaking "
        "rate, phone and speaker, learning curves, confusions, an example, and all settings, versions and commands.",
    )
    parser.add_argument("exp", metavar="EXP", help="folder of a recipe")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the report."""
    from cnn_mellin.extras import require_packages
    from cnn_mellin.report.recipe_report import write_report

    require_packages("report", ["report"])
    for path in write_report(arguments.exp):
        print(path)
    return 0
