"""Articulatory features of phones, from panphon's table, and the distances between phones that follow from them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
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
    every = sorted(set(symbols))
    table = _feature_table()
    alphabet, found = _read_symbols([symbol for symbol in every if symbol not in _SILENCES], table)
    found |= {symbol: None for symbol in every if symbol in _SILENCES}
    read = {symbol: reading for symbol, reading in found.items() if reading is not None}
    unknown = sorted(symbol for symbol, reading in read.items() if not reading.segments)
    names = list(dict.fromkeys(segment for reading in read.values() for segment in reading.segments))
    number_of = {segment: number for number, segment in enumerate(names)}
    segments = {
        symbol: tuple(number_of[segment] for segment in reading.segments) if reading else ()
        for symbol, reading in found.items()
    } | {symbol: (number,) for number, symbol in enumerate(unknown, len(names))}
    return PhoneFeatures(
        alphabet,
        segments,
        _changes(names, len(unknown), table),
        silences=sorted(symbol for symbol, reading in found.items() if reading is None),
        unknown=unknown,
        ignored={symbol: reading.ignored for symbol, reading in read.items() if reading.segments and reading.ignored},
    )


@dataclass(frozen=True)
class _Reading:
    """Segments in a symbol, and the characters that belong to none of them."""

    segments: list[str]
    ignored: str


def _read_symbols(symbols: Sequence[str], table: Any) -> tuple[str, dict[str, _Reading | None]]:
    """Alphabet of symbols, and the reading of each; None for a silence."""
    in_ipa = {symbol: _read_ipa(symbol, table) for symbol in symbols}
    arpabet = arpabet_to_ipa()
    ipa_of = {symbol: arpabet.get(without_stress(symbol).upper()) for symbol in symbols}
    num_whole = sum(bool(reading.segments) and not reading.ignored for reading in in_ipa.values())
    if sum(ipa is not None for ipa in ipa_of.values()) < num_whole:
        return "ipa", dict(in_ipa)
    in_arpabet: dict[str, _Reading | None] = {}
    for symbol, ipa in ipa_of.items():
        in_arpabet[symbol] = None if ipa == "" else _read_ipa(ipa, table) if ipa else _Reading([], symbol)
    return "arpabet", in_arpabet


def _read_ipa(symbol: str, table: Any) -> _Reading:
    # The letter g of keyboards stands for the IPA's script g, which alone is in the table.
    text = unicodedata.normalize("NFD", symbol).replace("g", "ɡ")
    segments: list[str] = table.ipa_segs(text, normalize=False)
    ignored, rest = "", text
    for segment in segments:
        before, _, rest = rest.partition(segment)
        ignored += before
    return _Reading(segments, ignored + rest)


def _changes(names: Sequence[str], num_unknown: int, table: Any) -> NDArray[np.int64]:
    """Number of features in which two segments differ, the unknown ones last."""
    vectors = np.array([table.fts(name).numeric() for name in names], dtype=np.int8).reshape(-1, NUM_FEATURES)
    changes = np.full((len(names) + num_unknown,) * 2, NUM_FEATURES, dtype=np.int64)
    changes[: len(names), : len(names)] = (vectors[:, None] != vectors[None]).sum(axis=2)
    np.fill_diagonal(changes, 0)
    return changes


@cache
def _feature_table() -> Any:
    """Read panphon's table, which takes a second."""
    require_packages("phone feature error rates", ["features"])
    from panphon.featuretable import FeatureTable

    return FeatureTable()
