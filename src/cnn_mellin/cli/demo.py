"""`cnn-mellin demo`: from nothing to a table of phone error rates."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "demo",
        help="from nothing to a table of phone error rates",
        description="Synthesise a corpus, prepare it, train linear (lcorr) and Mellin (mcorr) models, recognise voices "
        "they have never heard, and print the phone error rates. Takes some minutes; a run that was interrupted goes "
        "on where it was, and a second one does only what is missing or has changed.",
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", default="demo", help="where to (default: demo)")
    parser.add_argument("--utterances", type=int, metavar="N", help="size of the corpus")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="S", help="of the trainings (default: 1 2)")
    parser.add_argument("--epochs", type=int, metavar="E", help="of each training")
    parser.add_argument("--jobs", type=int, metavar="J", help="processes at once (default: one a core)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demonstration and print its table."""
    from cnn_mellin.workflow.demo import DemoOptions, run_demo

    chosen = {
        "num_utterances": arguments.utterances,
        "seeds": arguments.seeds,
        "num_epochs": arguments.epochs,
        "jobs": arguments.jobs,
    }
    options = DemoOptions(quiet=arguments.quiet, **{name: value for name, value in chosen.items() if value is not None})
    result = run_demo(arguments.directory, options)
    print("Phone error rate (39 phones, greedy search, no language model, every silence scored) on unseen voices:\n")
    print(result.table + "\n")
    print(f"With a trigram of the training phones, weight chosen on dev:\n\n{result.comparison}\n")
    for what, path in result.paths.items():
        print(f"{what}: {path}")
    return 0
