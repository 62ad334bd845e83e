"""ARPAbet, with the symbols that TIMIT adds to it, in the International Phonetic Alphabet."""

from __future__ import annotations

from functools import cache
from pathlib import Path

__all__ = ["arpabet_to_ipa", "without_stress"]


@cache
def arpabet_to_ipa() -> dict[str, str]:
    """Map each ARPAbet symbol, in capitals and without stress, to its IPA symbol; silences and closures to nothing.

    >>> arpabet = arpabet_to_ipa()
    >>> arpabet["SH"], arpabet["AY"], arpabet["SIL"]
    ('ʃ', 'aɪ', '')
    """
    lines = Path(__file__).with_name("arpabet.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t") for line in lines)


def without_stress(symbol: str) -> str:
    """Remove the stress of an ARPAbet vowel: a digit from 0 to 2 at its end.

    >>> without_stress("AH0"), without_stress("B")
    ('AH', 'B')
    """
    return symbol[:-1] if len(symbol) > 1 and symbol[-1] in "012" else symbol
