"""`cnn-mellin compare`: systems against each other, over seeds and speakers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cnn_mellin.cli.scoring_options import add_scoring_options

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to those of a parser."""
    parser = subparsers.add_parser(
        "compare",
        help="compare systems over seeds and speakers, with tests of significance",
        description="Each SYSTEM is a folder of transcripts SEED/PART.trn, or SEED/PART.SETTING.trn where several "
        "settings of the decoder were tried; the setting with the lowest mean rate on the development part is the one "
        "reported. Differences come with a bootstrap over speakers and seeds (the same seeds for both systems where "
        "their names are the same), a paired permutation test over speakers, a permutation test over trainings, and "
        "the matched pairs test of NIST's sc_stats (MAPSSWE) between the median seeds; p-values are also given with "
        "Holm's correction for all pairs.",
    )
    parser.add_argument("system", type=Path, nargs="+", metavar="SYSTEM", help="folder of transcripts of one system")
    parser.add_argument(
        "--references", type=Path, required=True, metavar="DIR", help="folder with PART.ref.trn (ext of the data)"
    )
    parser.add_argument("--part", default="test", help="part to report (default: test)")
    parser.add_argument("--choose-on", default="dev", metavar="PART", help="part to choose settings on (default: dev)")
    add_scoring_options(parser, several=False)
    parser.add_argument(
        "--replications", type=int, default=10000, metavar="N", help="draws of the bootstrap (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, and print the tables."""
    from cnn_mellin.errors import UserError
    from cnn_mellin.report.comparison_table import comparison_text
    from cnn_mellin.scoring.folder_comparison import compare_folders

    if arguments.choose_on.startswith("test"):
        raise UserError(f"--choose-on is {arguments.choose_on}; settings are not chosen on test: choose on dev")
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
        fold=not arguments.no_fold,
        utt2spk=arguments.utt2spk,
        replications=arguments.replications,
        seed=arguments.seed,
    )
    print(comparison_text(result, arguments.format))
    return 0
