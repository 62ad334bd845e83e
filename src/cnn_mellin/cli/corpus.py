"""`cnn-mellin corpus`: make a corpus."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("corpus", help="make a demonstration corpus", description=__doc__)
    kinds = parser.add_subparsers(dest="corpus_kind", metavar="KIND", required=True)
    demo = kinds.add_parser(
        "demo",
        help="synthesised speech in TIMIT's layout",
        description="Synthesise a corpus in TIMIT's layout (SPHERE audio, .PHN, .TXT, .WRD), the same to the byte "
        "for the same number and seed. It is there whole or not at all; one that is there already is left alone.",
    )
    demo.add_argument("directory", metavar="DIR", help="folder to make; its name is free, or holds the same corpus")
    demo.add_argument(
        "--utterances", type=int, default=1000, metavar="N", help="how many, 10 a speaker (default: 1000)"
    )
    demo.add_argument("--seed", type=int, default=1, metavar="S", help="of voices and sentences (default: 1)")
    demo.add_argument("--jobs", type=int, metavar="J", help="speakers synthesised at once (default: one a core)")
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the demonstration corpus."""
    from cnn_mellin.corpora.demo import make_demo_corpus

    made = make_demo_corpus(
        arguments.directory, arguments.utterances, arguments.seed, jobs=arguments.jobs, quiet=arguments.quiet
    )
    print(f"{arguments.directory}: {arguments.utterances} utterances, {'made' if made else 'unchanged'}")
    return 0
