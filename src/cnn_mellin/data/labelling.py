"""What the labels of a corpus become: the symbols to train on, and those to score."""

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
    """How labels are folded.

    Args:
        symbols: to train on; the place of each is its class.
        trained: label -> symbol to train on, or None where it is left out; None as a whole for labels as they are.
        scored: label -> symbol to score, likewise.
        source: what partitions keep of it, to see whether it has changed.
    """

    symbols: tuple[str, ...]
    trained: Mapping[str, str | None] | None
    scored: Mapping[str, str | None] | None
    source: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def classes(self) -> dict[str, int]:
        """Symbol -> class."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    def trained_symbols(self, labels: Sequence[str]) -> Sequence[str]:
        """Symbols to train on."""
        return _folded(labels, self.trained)

    def scored_symbols(self, labels: Sequence[str]) -> Sequence[str]:
        """Symbols to score."""
        return _folded(labels, self.scored)


def timit_labelling(num_phones: int = 48) -> Labelling:
    """TIMIT's 61 labels, folded to a phone set; 39 phones are scored.

    >>> timit_labelling(48).trained_symbols(["h#", "q", "ix"]), timit_labelling(48).scored_symbols(["h#", "ix"])
    (['sil', 'ix'], ['sil', 'ih'])
    """
    return Labelling(phone_set(num_phones), folding_to(num_phones), folding_to(39), {"phones": num_phones})


def corpus_labelling(parts: Mapping[str, Sequence[Utterance]]) -> tuple[Labelling, str]:
    """The symbols that a corpus has, in order, as they are; and a warning, or nothing.

    The warning names symbols that training lacks, and those that look the same or cannot be seen.

    >>> from pathlib import Path
    >>> labelling, _ = corpus_labelling({"train": [Utterance("u", "s", Path("u.wav"), (), transcript=("b", "a"))]})
    >>> labelling.symbols
    ('a', 'b')
    """
    of_part = {part: {label for u in utterances for label in u.labels} for part, utterances in parts.items()}
    symbols = tuple(sorted(set().union(*of_part.values())))
    unseen = sorted(set(symbols) - of_part.get("train", set()))
    lacking = f"no training utterance has {len(unseen)} of {len(symbols)} symbols: {name_utterances(unseen)}"
    warnings = [*([lacking] if unseen else []), look_alike_warning(symbols)]
    return Labelling(symbols, None, None, {"symbols": list(symbols)}), "; ".join(filter(None, warnings))


def _folded(labels: Sequence[str], folding: Mapping[str, str | None] | None) -> Sequence[str]:
    """No copy where nothing is folded: many utterances have many labels."""
    return labels if folding is None else [symbol for label in labels if (symbol := folding[label]) is not None]
