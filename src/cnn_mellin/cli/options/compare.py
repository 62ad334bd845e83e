"""Options of `cnn-mellin compare`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.scoring import add_scoring_options

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Compare systems over seeds and speakers, with tests of significance. Each SYSTEM is a folder of transcripts
SEED/PARTITION.trn, or SEED/PARTITION.OPTIONS.trn for several decoding options; those with the lowest mean phone error
rate on the dev partition are reported.

Differences come with a bootstrap over speakers and seeds (the same seeds for both systems if their names are the same),
a paired permutation test over speakers, a permutation test over trainings, and the matched pairs test of NIST's
sc_stats (MAPSSWE) between the median seeds; p-values are also given with Holm's correction for all pairs.
"""
EXAMPLES = [
    "cnn-mellin compare systems/lcorr systems/mcorr --references data/fbank-81-10ms/ext",
    "cnn-mellin compare systems/* --references data/fbank-81-10ms/ext --format latex",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("system", type=Path, nargs="+", metavar="SYSTEM", help="folder of transcripts of one system")
    parser.add_argument(
        "--references",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with PARTITION.ref.trn: ext of the data directory",
    )
    parser.add_argument("--part", default="test", metavar="PARTITION", help="partition to report (default: test)")
    parser.add_argument(
        "--choose-on",
        default="dev",
        metavar="PARTITION",
        help="partition that chooses the decoding options (default: dev)",
    )
    add_scoring_options(parser, several=False)
    parser.add_argument(
        "--replications",
        type=int,
        default=10000,
        metavar="N",
        help="number of bootstrap samples and permutations; fewer are faster and less exact (default: 10000)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the bootstrap samples and permutations (default: 0)"
    )
