"""Options of `cnn-mellin demo`."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = """\
Synthesise a corpus and run the recipe on it (cnn-mellin recipe DIR/corpus DIR --tiny): train linear (lcorr) and Mellin
(mcorr) models, recognise speakers that were not in training, print the phone error rates, and write a page of tables
and figures. Takes some minutes. The same command resumes an interrupted run; a finished run repeats only what is
missing or has changed.
"""
EXAMPLES = ["cnn-mellin demo", "cnn-mellin demo quick --utterances 300 --seeds 1 --epochs 3"]


def add_options(parser: CommandParser) -> None:
    """Add the options."""
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", default="demo", help="folder for all results (default: demo)"
    )
    parser.add_argument(
        "--utterances",
        dest="num_utterances",
        type=int,
        metavar="N",
        default=1500,
        help="number of utterances in the corpus; fewer are faster and less accurate (default: 1500)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        default=2,
        help="number of trainings per model; more make the comparison surer (default: 2)",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        metavar="E",
        help="number of epochs per training; fewer for a quick look (default: as in the settings)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="J", help="number of processes to run in parallel (default: one per core)"
    )
