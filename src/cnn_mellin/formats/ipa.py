"""Phones in a transcript in the International Phonetic Alphabet that is written without spaces between them."""

from __future__ import annotations

import unicodedata

__all__ = ["ipa_phones"]

_TIES = "\u0361\u035c"


def ipa_phones(text: str) -> list[str]:
    """Split a transcript into phones: letters, each with its diacritics, and letters joined by a tie bar as one.

    Args:
        text: transcript. White space separates phones, too. Vowels in a row are phones of their own.

    Returns:
        Phones in Unicode's decomposed form (NFD).

    >>> ipa_phones("ʔut͡ɕʰi kə")
    ['ʔ', 'u', 't͡ɕʰ', 'i', 'k', 'ə']
    """
    phones: list[str] = []
    joined = False  # the next character belongs to the last phone
    follows = False  # a diacritic would belong to the last phone
    for character in unicodedata.normalize("NFD", text):
        if character.isspace():
            joined = follows = False
            continue
        modifies = unicodedata.category(character) in ("Mn", "Lm")
        if joined or (modifies and follows):
            phones[-1] += character
        else:
            phones.append(character)
        joined, follows = character in _TIES and follows, True
    return phones
