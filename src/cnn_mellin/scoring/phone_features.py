"""Articulatory features of phones, from panphon's table, and the distances between phones that follow from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.extras import require_packages
from cnn_mellin.formats.arpabet import arpabet_to_ipa, without_stress
from cnn_mellin.scoring.convention import SILENCE

__all__ = ["NUM_FEATURES", "PhoneFeatures", "phone_features"]

NUM_FEATURES = 24
"""Number of articulatory features of a segment; each is +, - or 0."""

_SILENCES = frozenset({SILENCE, SILENCE.upper(), f"<{SILENCE}>"})


@dataclass(frozen=True)
class PhoneFeatures:
    """Segments of a corpus's symbols, and the distances between segments.

    Args:
        alphabet: alphabet in which the symbols were read: `ipa` or `arpabet`.
        segments: symbol -> numbers of its segments; a silence has none, a diphthong two.
        changes: (S, S) int64, number of features in which two segments differ.
        silences: symbols that are silence, sorted.
        unknown: symbols without any known segment, sorted. Each is a segment that differs in all features from others.
        ignored: symbol -> characters of it that are unknown and ignored.
    """

    alphabet: str
    segments: Mapping[str, tuple[int, ...]]
    changes: NDArray[np.int64]
    silences: list[str]
    unknown: list[str]
    ignored: dict[str, str]


def phone_features(symbols: Iterable[str]) -> PhoneFeatures:
    """Look up the articulatory features of symbols.

    The symbols are read as ARPAbet (in capitals or small letters, with or without stress) if ARPAbet has at least as
    many of them as the International Phonetic Alphabet, and as that otherwise.

    Args:
        symbols: symbols of a corpus.

    Raises:
        MissingPackageError: panphon is not installed (the extra `features`).

    >>> found = phone_features(["p", "b", "ʃ", "a", "?"])
    >>> found.alphabet, int(found.changes[found.segments["p"][0], found.segments["b"][0]])
    ('ipa', 1)
    >>> found.unknown
    ['?']
    """
    wanted = sorted(set(symbols) - _SILENCES)
    table = _feature_table()
    in_ipa = {symbol: _segments_of(symbol, table) for symbol in wanted}
    arpabet = arpabet_to_ipa()
    in_arpabet = [symbol for symbol in wanted if without_stress(symbol).upper() in arpabet]
    if len(in_arpabet) >= sum(not ignored and bool(found) for found, ignored in in_ipa.values()):
        alphabet = "arpabet"
        read = {symbol: arpabet.get(without_stress(symbol).upper()) for symbol in wanted}
        found = {symbol: ([], symbol) if ipa is None else _segments_of(ipa, table) for symbol, ipa in read.items()}
        silences = [symbol for symbol, ipa in read.items() if ipa == ""]
    else:
        alphabet, found, silences = "ipa", in_ipa, []
    unknown = [symbol for symbol in wanted if not found[symbol][0] and symbol not in silences]
    names: dict[str, int] = {}
    for symbol in wanted:
        for segment in found[symbol][0]:
            names.setdefault(segment, len(names))
    segments = {symbol: tuple(names[segment] for segment in found[symbol][0]) for symbol in wanted}
    for number, symbol in enumerate(unknown, len(names)):
        segments[symbol] = (number,)
    silences = sorted({*silences, *(_SILENCES & set(symbols))})
    segments |= {symbol: () for symbol in silences}
    vectors = np.array([table.fts(segment).numeric() for segment in names], dtype=np.int8).reshape(-1, NUM_FEATURES)
    changes = np.full((len(names) + len(unknown),) * 2, NUM_FEATURES, dtype=np.int64)
    changes[: len(names), : len(names)] = (vectors[:, None] != vectors[None]).sum(axis=2)
    np.fill_diagonal(changes, 0)
    ignored = {symbol: rest for symbol, (known, rest) in found.items() if known and rest}
    return PhoneFeatures(alphabet, segments, changes, silences, unknown, ignored)


def _segments_of(symbol: str, table: Any) -> tuple[list[str], str]:
    """Segments in a symbol, and the characters that belong to none of them."""
    # The letter g of keyboards stands for the IPA's script g, which alone is in the table.
    text = unicodedata.normalize("NFD", symbol).replace("g", "ɡ")
    segments: list[str] = table.ipa_segs(text, normalize=False)
    ignored, rest = "", text
    for segment in segments:
        before, _, rest = rest.partition(segment)
        ignored += before
    return segments, ignored + rest


@cache
def _feature_table() -> Any:
    """Read panphon's table, which takes a second."""
    require_packages("phone feature error rates", ["features"])
    from panphon.featuretable import FeatureTable

    return FeatureTable()
