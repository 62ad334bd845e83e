"""`cnn-mellin compare`: compare systems over seeds and speakers."""

from __future__ import annotations

import argparse

from cnn_mellin.errors import UserError
from cnn_mellin.report.comparison_table import comparison_text
from cnn_mellin.scoring.folder_comparison import compare_folders

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Compare the systems and print the tables."""
    if arguments.choose_on.startswith("test"):
        raise UserError(f"--choose-on is {arguments.choose_on}; decoding options are not chosen on test: choose on dev")
    if arguments.replications < 1:
        raise UserError(f"--replications is {arguments.replications}; it must be at least 1")
    if arguments.seed < 0:
        raise UserError(f"--seed is {arguments.seed}; it must be 0 or more")
    result = compare_folders(
        arguments.system,
        arguments.references,
        part=arguments.part,
        choose_on=arguments.choose_on,
        convention=arguments.convention,
        fold=False if arguments.no_fold else None,
        utt2spk=arguments.utt2spk,
        replications=arguments.replications,
        seed=arguments.seed,
    )
    print(comparison_text(result, arguments.format))
    return 0
