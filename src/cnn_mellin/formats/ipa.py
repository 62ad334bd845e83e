"""Transcripts in the International Phonetic Alphabet: one form of each character, and their division into phones."""

from __future__ import annotations

import unicodedata

__all__ = ["in_one_form", "ipa_phones"]

_TIES = "\u0361\u035c"
# Characters of keyboards that stand for others of the IPA: script g, and the apostrophe of ejectives.
_OF_KEYBOARDS = str.maketrans({"g": "ɡ", "'": "ʼ", "’": "ʼ"})


def in_one_form(text: str) -> str:
    """Write characters that have several forms in one: Unicode's decomposed form (NFD), script g, the IPA's apostrophe.

    >>> in_one_form("gi") == "ɡi", len(in_one_form("ã")), in_one_form("k'")
    (True, 2, 'kʼ')
    """
    return unicodedata.normalize("NFD", text).translate(_OF_KEYBOARDS)


def ipa_phones(text: str) -> list[str]:
    """Split a transcript into phones: letters, each with its diacritics, and letters joined by a tie bar as one.

    Args:
        text: transcript. White space separates phones, too. Vowels in a row are phones of their own.

    Returns:
        Phones in the form of `in_one_form`.

    >>> ipa_phones("ʔut͡ɕʰi kə")
    ['ʔ', 'u', 't͡ɕʰ', 'i', 'k', 'ə']
    """
    phones: list[str] = []
    joined = False  # the next character belongs to the last phone
    follows = False  # a diacritic would belong to the last phone
    for character in in_one_form(text):
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
