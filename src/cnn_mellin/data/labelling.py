"""Labelling: the mapping from the labels of a corpus to the symbols for training and for scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.formats.look_alikes import look_alike_warning
from cnn_mellin.formats.phone_sets import folding_to, phone_set
from cnn_mellin.utterance_names import name_utterances

__all__ = ["Labelling", "corpus_labelling", "timit_labelling"]


@dataclass(frozen=True)
class Labelling:
    """Mapping from labels to symbols.

    Args:
        symbols: symbols to train on; the index of each is its class.
        trained: label -> symbol to train on, or None for a label that is left out; None instead of a mapping keeps all
            labels unchanged.
        scored: label -> symbol to score, in the same form.
        source: description that partitions store, by which a changed labelling is recognised.
    """

    symbols: tuple[str, ...]
    trained: Mapping[str, str | None] | None
    scored: Mapping[str, str | None] | None
    source: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def classes(self) -> dict[str, int]:
        """Symbol -> class."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @property
    def is_folded(self) -> bool:
        """True if symbols are folded to TIMIT's 39 phones before they are scored."""
        return self.scored is not None and self.scored == folding_to(39)

    def trained_symbols(self, labels: Sequence[str]) -> Sequence[str]:
        """Map labels to the symbols to train on."""
        return _folded(labels, self.trained)

    def scored_symbols(self, labels: Sequence[str]) -> Sequence[str]:
        """Map labels to the symbols to score."""
        return _folded(labels, self.scored)


def timit_labelling(num_phones: int = 48) -> Labelling:
    """Labelling that folds TIMIT's 61 labels to a phone set for training, and to 39 phones for scoring.

    >>> timit_labelling(48).trained_symbols(["h#", "q", "ix"]), timit_labelling(48).scored_symbols(["h#", "ix"])
    (['sil', 'ix'], ['sil', 'ih'])
    """
    return Labelling(phone_set(num_phones), folding_to(num_phones), folding_to(39), {"phones": num_phones})


def corpus_labelling(parts: Mapping[str, Sequence[Utterance]]) -> tuple[Labelling, str]:
    """Labelling with the unchanged, sorted symbols of a corpus, and a warning (empty if there is none).

    The warning names symbols that no training utterance has, and symbols that look alike or are invisible.

    >>> from pathlib import Path
    >>> labelling, _ = corpus_labelling({"train": [Utterance("u", "s", Path("u.wav"), (), transcript=("b", "a"))]})
    >>> labelling.symbols
    ('a', 'b')
    """
    labels = {name: {label for u in utterances for label in u.labels} for name, utterances in parts.items()}
    symbols = tuple(sorted(set().union(*labels.values())))
    unseen = sorted(set(symbols) - labels.get("train", set()))
    lacking = f"no training utterance has {len(unseen)} of {len(symbols)} symbols: {name_utterances(unseen)}"
    warnings = [*([lacking] if unseen else []), look_alike_warning(symbols)]
    return Labelling(symbols, None, None, {"symbols": list(symbols)}), "; ".join(filter(None, warnings))


def _folded(labels: Sequence[str], folding: Mapping[str, str | None] | None) -> Sequence[str]:
    """Map labels to symbols; without a mapping, no copy is made, which saves memory for large corpora."""
    return labels if folding is None else [symbol for label in labels if (symbol := folding[label]) is not None]
