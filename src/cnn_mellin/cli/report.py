"""`cnn-mellin report`: write the results of a recipe on one page."""

from __future__ import annotations

import argparse

from cnn_mellin.extras import require_packages
from cnn_mellin.report.recipe_report import write_report

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Write the report."""
    require_packages("report", ["report"])
    for path in write_report(arguments.exp):
        print(path)
    return 0
