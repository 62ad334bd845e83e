"""Options of the decoder, shared by `decode` and `transcribe`."""

from __future__ import annotations

from typing import Any

from cnn_mellin.cli.command_parser import CommandParser
from cnn_mellin.cli.options.trained_model import add_epoch_option

__all__ = ["add_decoder_options"]


def add_decoder_options(parser: CommandParser, lm_default: str, *, several: bool) -> None:
    """Add beam width, language model and its weight, insertion bonus, blank bias, `--num-best` and `--epoch`.

    Args:
        parser: parser to add the options to.
        lm_default: end of the help of `--lm`: its default, or an example of a file.
        several: allow several beam widths, weights, bonuses and biases.
    """
    many: dict[str, Any] = {"nargs": "+"} if several else {"nargs": 1}
    parser.add_argument(
        "--beam-width",
        type=int,
        default=[],
        metavar="W",
        help="number of prefixes kept per frame in a prefix search; wider is slower and finds likelier sequences "
        "(default: greedy search)",
        **many,
    )
    parser.add_argument(
        "--lm-weight",
        "--lm-beta",
        type=float,
        default=[0.0],
        metavar="B",
        help=f"language model weight{'s' if several else ''}, by which its log probabilities are multiplied; the best "
        "is found on the dev partition (default: 0, no language model)",
        **many,
    )
    parser.add_argument(
        "--insertion-bonus",
        type=float,
        default=[0.0],
        metavar="I",
        help="natural logarithm added to a sequence's score per symbol, in a prefix search; above 0 against deletions, "
        "which a language model brings, below 0 against insertions (default: 0)",
        **many,
    )
    parser.add_argument(
        "--blank-bias",
        type=float,
        default=[0.0],
        metavar="C",
        help="natural logarithm added to the blank's log probability in every frame, before normalisation; below 0 "
        "against deletions, also in a greedy search (default: 0)",
        **many,
    )
    parser.add_argument("--lm", metavar="ARPA", help=f"language model to decode with ({lm_default})")
    parser.add_argument(
        "--num-best",
        type=int,
        default=1,
        metavar="N",
        help="number of sequences to list per utterance, best first, for rescoring (default: 1)",
    )
    add_epoch_option(parser)
