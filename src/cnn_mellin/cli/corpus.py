"""`cnn-mellin corpus`: make a corpus."""

from __future__ import annotations

import argparse

from cnn_mellin.corpora.demo import make_demo_corpus

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Make the demonstration corpus."""
    directory, count = arguments.directory, arguments.num_utterances
    made = make_demo_corpus(directory, count, arguments.seed, jobs=arguments.jobs, quiet=arguments.quiet)
    print(f"{directory}: {count} utterances, {'made' if made else 'unchanged'}")
    return 0
