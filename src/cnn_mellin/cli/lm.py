"""`cnn-mellin lm`: n-gram language models of phones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to those of a parser."""
    parser = subparsers.add_parser(
        "lm",
        help="n-gram language models: train, perplexity",
        description="N-gram language models of phones, kept as ARPA files.",
    )
    commands = parser.add_subparsers(dest="lm_command", required=True, metavar="COMMAND")
    train = commands.add_parser(
        "train",
        help="estimate a model from transcripts",
        description="Interpolated modified Kneser-Ney on the transcripts of TRN, written to ARPA.",
    )
    train.add_argument("trn", type=Path, help="trn file: lines 'phones (utterance)'")
    train.add_argument("arpa", type=Path, help="ARPA file to write; compressed if its name ends in .gz")
    train.add_argument("--order", type=int, default=3, metavar="N", help="phones in the longest n-gram (default: 3)")
    train.add_argument(
        "--discounts",
        choices=["fixed", "estimated"],
        default="fixed",
        help="0.5, 1, 1.5 at each order, or estimated from the counts of counts (default: fixed)",
    )
    train.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="token2id.txt with all phones there are, so that those TRN lacks get their share (default: those of TRN)",
    )
    train.add_argument(
        "--keep-duplicates", action="store_true", help="count equal transcripts each time (default: once)"
    )
    perplexity = commands.add_parser(
        "perplexity",
        help="perplexity of transcripts",
        description="Perplexity of each TRN, ends of sentences included.",
    )
    perplexity.add_argument("arpa", type=Path, help="ARPA file")
    perplexity.add_argument("trn", type=Path, nargs="+", help="trn files")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, or print perplexities."""
    return {"train": _train, "perplexity": _perplexity}[arguments.lm_command](arguments)


def _train(arguments: argparse.Namespace) -> int:
    from cnn_mellin.errors import DataError, UserError
    from cnn_mellin.formats.symbols import read_symbols
    from cnn_mellin.formats.transcripts import read_trn
    from cnn_mellin.language_models import NgramModel, estimate_kneser_ney, write_arpa
    from cnn_mellin.output_place import require_output_file

    if arguments.order < 1:
        raise UserError(f"--order is {arguments.order}; it must be at least 1")
    if arguments.tokens is not None and arguments.tokens.name != "token2id.txt":
        raise UserError(f"--tokens is {arguments.tokens}; it must be the token2id.txt of a data directory")
    if not arguments.arpa.parent.is_dir():
        raise UserError(f"{arguments.arpa}: its folder does not exist; make it first")
    require_output_file(arguments.arpa, "arpa", arguments.trn, arguments.tokens)
    sentences = list(read_trn(arguments.trn).values())
    if arguments.tokens is None:
        tokens = sorted({token for sentence in sentences for token in sentence})
    else:
        tokens = read_symbols(arguments.tokens.parent)
    try:
        ngrams = estimate_kneser_ney(
            sentences, tokens, arguments.order, discounts=arguments.discounts, unique=not arguments.keep_duplicates
        )
    except DataError as error:
        raise DataError(f"{arguments.trn}: {error}") from None
    write_arpa(arguments.arpa, ngrams)
    counts = ", ".join(f"{len(entries)} {order}-grams" for order, entries in enumerate(ngrams, 1))
    perplexity = NgramModel(ngrams, tokens).perplexity(sentences)
    print(f"{arguments.arpa}: {counts}; perplexity of {arguments.trn}: {perplexity:.3f}")
    return 0


def _perplexity(arguments: argparse.Namespace) -> int:
    from cnn_mellin.errors import DataError
    from cnn_mellin.formats.transcripts import read_trn
    from cnn_mellin.language_models import NgramModel

    model = NgramModel.from_arpa(arguments.arpa)
    lines = []
    for path in arguments.trn:
        sentences = read_trn(path)
        try:
            perplexity = model.perplexity(sentences.values())
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        num_predicted = sum(len(sentence) + 1 for sentence in sentences.values())
        lines.append(f"{path}: {perplexity:.4f} ({len(sentences)} utterances, {num_predicted} phones and ends)")
    print("\n".join(lines))
    return 0
