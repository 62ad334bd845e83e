"""Options of the commands that read a trained model."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["add_epoch_option", "add_feature_file_option"]


def add_epoch_option(parser: CommandParser) -> None:
    """Add `--epoch`."""
    parser.add_argument(
        "--epoch",
        type=int,
        metavar="E",
        help="epoch whose weights to use, to look at one in particular (default: the best; 0: before training)",
    )


def add_feature_file_option(parser: CommandParser) -> None:
    """Add `--features`."""
    parser.add_argument(
        "--features",
        metavar="FILE.json",
        help="configuration of the features, for a model folder that does not hold its own",
    )
