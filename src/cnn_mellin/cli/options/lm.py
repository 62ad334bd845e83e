"""Options of `cnn-mellin lm`."""

from __future__ import annotations

from pathlib import Path

from cnn_mellin.cli.command_parser import CommandParser

__all__ = ["DESCRIPTION", "EXAMPLES", "add_options"]

DESCRIPTION = "Estimate n-gram language models of phones, kept as ARPA files, and compute perplexities."
EXAMPLES = ["cnn-mellin lm train data/fbank-81-10ms/ext/train.ref.trn lm.arpa.gz"]


def add_options(parser: CommandParser) -> None:
    """Add the commands and their options."""
    commands = parser.add_subparsers(dest="lm_command", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="estimate a model from transcripts",
        description="Estimate an interpolated modified Kneser-Ney model from the transcripts of TRN and write it to "
        "ARPA. `prep` has done this already for the symbols of the train partition (ext/lm.arpa.gz).",
        examples=[
            "cnn-mellin lm train data/fbank-81-10ms/ext/train.ref.trn lm.arpa.gz",
            "cnn-mellin lm train more-text.trn lm4.arpa.gz --order 4 --tokens data/fbank-81-10ms/ext/token2id.txt",
        ],
    )
    train.add_argument("trn", type=Path, help="trn file: lines 'phones (utterance)'")
    train.add_argument("arpa", type=Path, help="ARPA file to write; compressed if its name ends in .gz")
    train.add_argument(
        "--order",
        type=int,
        default=3,
        metavar="N",
        help="number of phones in the longest n-gram; longer needs more transcripts (default: 3)",
    )
    train.add_argument(
        "--discounts",
        choices=["fixed", "estimated"],
        default="fixed",
        help="Kneser-Ney discounts: 0.5, 1, 1.5 at each order, safe for few phones, or estimated from the counts of "
        "counts (default: fixed)",
    )
    train.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="token2id.txt with all phones, so that those that TRN lacks get a probability, too (default: the phones "
        "of TRN)",
    )
    train.add_argument(
        "--keep-duplicates",
        action="store_true",
        help="count each of several equal transcripts (default: count it once, as corpora repeat prompts)",
    )
    perplexity = commands.add_parser(
        "perplexity",
        help="compute the perplexity of transcripts",
        description="Print the perplexity of each TRN under a model, ends of sentences included.",
        examples=["cnn-mellin lm perplexity lm.arpa.gz data/fbank-81-10ms/ext/dev.ref.trn"],
    )
    perplexity.add_argument("arpa", type=Path, help="ARPA file of the model")
    perplexity.add_argument("trn", type=Path, nargs="+", help="trn files to compute the perplexity of")
