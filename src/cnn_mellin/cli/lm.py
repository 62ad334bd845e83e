"""`cnn-mellin lm`: estimate n-gram language models of phones and compute perplexities."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney, write_arpa
from cnn_mellin.output_place import require_output_file
from cnn_mellin.utterance_names import name_utterances

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """Estimate a model, or print perplexities."""
    return {"train": _train, "perplexity": _perplexity}[arguments.lm_command](arguments)


def _train(arguments: argparse.Namespace) -> int:
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
    if arguments.tokens is not None:
        _warn_of_lacking_phones(arguments.trn, sentences, arguments.tokens.parent, tokens)
    write_arpa(arguments.arpa, ngrams)
    counts = ", ".join(f"{len(entries)} {order}-grams" for order, entries in enumerate(ngrams, 1))
    perplexity = NgramModel(ngrams, tokens).perplexity(sentences)
    print(f"{arguments.arpa}: {counts}; perplexity of {arguments.trn}: {perplexity:.3f}")
    return 0


def _warn_of_lacking_phones(trn: Path, sentences: Sequence[Sequence[str]], ext: Path, tokens: Sequence[str]) -> None:
    """Warn if phones of a data directory never occur in the transcripts, as decoding will then hardly find them."""
    lacking = sorted(set(tokens).difference(*sentences))
    if not lacking:
        return
    why = "other transcripts may have them"
    if is_folded(ext, default=False):
        why = f"references are folded to 39 phones for scoring; `prep --lm-order N` makes a model of all {len(tokens)}"
    _LOGGER.warning(
        "%s: lacks %d of the %d phones of %s: %s; decoding will hardly find them; %s",
        trn,
        len(lacking),
        len(tokens),
        ext / "token2id.txt",
        name_utterances(lacking),
        why,
    )


def _perplexity(arguments: argparse.Namespace) -> int:
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
