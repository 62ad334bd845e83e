"""Options of `cnn-mellin score`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.scoring import add_scoring_options

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Compute the phone error rate of each HYPOTHESIS against REFERENCE. All are trn files: lines 'phones (utterance)'. Phones
of TIMIT's 61, 60, 48 or 39 set are folded to 39 first. Errors are aligned and divided into substitutions, deletions and
insertions as NIST's sclite does.
"""
EXAMPLES = [
    "cnn-mellin score data/fbank-81-10ms/ext/test.ref.trn hyp.trn",
    "cnn-mellin score data/fbank-81-10ms/ext/test.ref.trn hyp.trn --per-speaker --format csv",
    "cnn-mellin score data/fbank-81-10ms/ext/test.ref.trn hyp.trn --features",
]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument("reference", type=Path, help="trn file of what was said")
    parser.add_argument("hypothesis", type=Path, nargs="+", help="trn files of what was recognised")
    add_scoring_options(parser, several=True)
    parser.add_argument(
        "--worst", type=int, default=10, metavar="N", help="number of most frequent confusions to list (default: 10)"
    )
    parser.add_argument("--per-speaker", action="store_true", help="also print the phone error rate of each speaker")
    parser.add_argument("--per-phone", action="store_true", help="also print the error rate of each phone")
    parser.add_argument("--per-utterance", action="store_true", help="also print the error rate of each utterance")
    parser.add_argument(
        "--features",
        action="store_true",
        help="also print the phone feature error rate (PFER): an error counts as the proportion of the 24 articulatory "
        "features that are wrong; for symbols of the IPA or ARPAbet, all others are named (needs the extra `features`)",
    )
    parser.add_argument(
        "--confusions", action="store_true", help="also print how often each phone was recognised as each other"
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.png",
        help="plot the confusions of one HYPOTHESIS under one convention (needs the extra `report`)",
    )
