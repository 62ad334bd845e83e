"""Options of the commands that read the audio of a corpus: changes that recordings may undergo, and damaged files."""

from __future__ import annotations

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["add_conversion_options", "add_damage_options"]


def add_conversion_options(parser: CommandParser) -> None:
    """Add the options for changes that recordings may undergo."""
    parser.add_argument(
        "--resample",
        action="store_true",
        help="resample recordings whose sample rate is not that of the features, as transcribe does, with soxr",
    )
    channels = parser.add_mutually_exclusive_group()
    channels.add_argument(
        "--mix-down", action="store_true", help="average the channels of recordings that have several"
    )
    channels.add_argument(
        "--channel", type=int, metavar="N", help="take channel N of each recording, counted from 1 (1 is the left one)"
    )


def add_damage_options(parser: CommandParser) -> None:
    """Add the options for damaged files, and for files that have not changed."""
    parser.add_argument(
        "--leave-out-damaged",
        nargs="?",
        const="1%",
        metavar="MAX",
        help="go on without utterances that cannot be used, if they are at most MAX of their partition: a percentage, "
        "or a number of utterances (1%% if only the option is given); their names are kept in the partition",
    )
    parser.add_argument(
        "--fault-list",
        metavar="FILE",
        help="where to list the utterances that cannot be used, if there are several (default: DATA.faults.tsv)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="read all audio, even of files that have not changed (size, times, inode) since they were last read",
    )
