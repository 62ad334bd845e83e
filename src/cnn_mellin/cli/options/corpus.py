"""Options of `cnn-mellin corpus`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = "Make a corpus to try the other commands on."
EXAMPLES = ["cnn-mellin corpus demo corpus --utterances 100"]


def add_options(parser: CommandParser) -> None:
    """Add the kinds of corpus and their options."""
    kinds = parser.add_subparsers(dest="corpus_kind", metavar="KIND", required=True)
    demo = kinds.add_parser(
        "demo",
        help="synthesised speech in TIMIT's layout",
        description="Synthesise a corpus in TIMIT's layout (SPHERE audio, .PHN, .TXT, .WRD) with espeak-ng. Equal "
        "numbers and seeds give equal files, byte for byte. The folder appears only when the corpus is complete; an "
        "existing corpus with the same number and seed stays unchanged.",
        examples=["cnn-mellin corpus demo corpus --utterances 100", "cnn-mellin corpus demo other-voices --seed 2"],
    )
    demo.add_argument("directory", metavar="DIR", help="folder to create, or one that holds the same corpus")
    demo.add_argument(
        "--utterances",
        dest="num_utterances",
        type=int,
        default=1000,
        metavar="N",
        help="number of utterances, 10 per speaker; more give better models and take longer (default: 1000)",
    )
    demo.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="S",
        help="seed of the random choice of voices and sentences; another seed gives another corpus (default: 1)",
    )
    demo.add_argument(
        "--jobs", type=int, metavar="J", help="number of speakers to synthesise in parallel (default: one per core)"
    )
