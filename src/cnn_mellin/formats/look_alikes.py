"""Detection of symbols that look the same but have different code points."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["appearance", "look_alike_warning", "look_alikes"]

# Letters of other scripts, and of older or wrong encodings of the phonetic alphabet -> the letters that they look like.
_SAME_LOOKS = str.maketrans(
    "асеорхуіјѕһӕәАВЕКМНОРСТХεǝαɡ:’'ʹǃ∫",  # noqa: RUF001
    "aceopxyijshæəABEKMHOPCTXɛəɑgːʼʼʼ!ʃ",  # noqa: RUF001
)
# Superscript and subscript letters are distinct symbols: tʰ is not th.
_KEPT_FORMS = ("<super>", "<sub>")
_SELECTORS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
)  # invisible, although Unicode classifies them as letters


def appearance(symbol: str) -> str:
    r"""Canonical form of a symbol: symbols that look the same have the same form.

    >>> appearance("e\u0301") == appearance("\xe9"), appearance("x\u200b"), appearance("t\u02b0") == "th"
    (True, 'x', False)
    """
    forms = (
        letter if unicodedata.decomposition(letter).startswith(_KEPT_FORMS) else unicodedata.normalize("NFKD", letter)
        for letter in symbol
    )
    visible = "".join(letter for form in forms for letter in form if not _is_invisible(letter))
    return unicodedata.normalize("NFD", visible.translate(_SAME_LOOKS))


def look_alikes(symbols: Iterable[str]) -> list[list[str]]:
    r"""Group different symbols that look the same.

    >>> look_alikes(["b", "e\u0301", "\xe9", "e"]) == [["e\u0301", "\xe9"]]
    True
    """
    groups: dict[str, list[str]] = {}
    for symbol in sorted(set(symbols)):
        groups.setdefault(appearance(symbol), []).append(symbol)
    return [group for group in groups.values() if len(group) > 1]


def look_alike_warning(symbols: Iterable[str], what: str = "symbols", most: int = 5) -> str:
    r"""Warning in one line about symbols that look the same, with their code points; empty if there are none.

    Args:
        symbols: symbols of a corpus.
        what: plural noun for the symbols, for the message.
        most: maximum number of groups to name.

    >>> look_alike_warning(["e\u0301", "\xe9"]).removeprefix("symbols ").encode("ascii", "ignore").decode()
    'e (U+0065 U+0301) and  (U+00E9) look the same, but are different; write each in one form (NFC for accents)'
    """
    symbols = set(symbols)
    groups = look_alikes(symbols)
    named = {symbol for group in groups for symbol in group}
    hidden = [symbol for symbol in sorted(symbols - named) if any(map(_is_invisible, symbol))]
    warnings = []
    if groups:
        pairs = _first([" and ".join(map(_spelt, group)) for group in groups], "; ", most)
        warnings.append(f"{what} {pairs} look the same, but are different; write each in one form (NFC for accents)")
    if hidden:
        listed = _first(list(map(_spelt, hidden)), ", ", most)
        warnings.append(f"{what} with invisible characters: {listed}; delete those characters if they mean nothing")
    return "; ".join(warnings)


def _first(names: Sequence[str], divider: str, most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return divider.join(names[:most]) + more


def _spelt(symbol: str) -> str:
    """Visible part of a symbol, and its code points."""
    shown = "".join(letter for letter in symbol if not _is_invisible(letter))
    return f"{shown} ({' '.join(f'U+{ord(letter):04X}' for letter in symbol)})".strip()


def _is_invisible(letter: str) -> bool:
    """Return True for a character without a glyph: zero-width, direction, variation selector, filler."""
    selector = "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"
    return selector or letter in _SELECTORS or unicodedata.category(letter) == "Cf"
