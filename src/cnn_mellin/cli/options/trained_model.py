"""Options of the commands that read a trained model."""

from __future__ import annotations

import argparse
import re

from cnn_mellin.best_epochs import BestEpochs
from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["add_epoch_option", "add_feature_file_option"]


def add_epoch_option(parser: CommandParser) -> None:
    """Add `--epoch`."""
    parser.add_argument(
        "--epoch",
        type=_epoch,
        metavar="E",
        help="epoch whose weights to use, to look at one in particular (default: the best; 0: before training); best5 "
        "uses the mean of the weights of the 5 best, for trainings with keep_last_and_best_only = False",
    )


def _epoch(text: str) -> int | BestEpochs:
    """The number of an epoch, or the best ones."""
    if found := re.fullmatch("best([1-9][0-9]{0,8})", text):
        return BestEpochs(int(found[1]))
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a whole number, or best5 for the mean of the 5 best") from None


def add_feature_file_option(parser: CommandParser) -> None:
    """Add `--features`."""
    parser.add_argument(
        "--features",
        metavar="FILE.json",
        help="configuration of the features, for a model folder that does not hold its own",
    )
