"""Rules for the names and symbols of a corpus, so that all files made from it can hold them."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

from cnn_mellin.errors import CorpusError
from cnn_mellin.formats import text_file
from cnn_mellin.formats.identifier import RULE, identifier_fault

__all__ = ["notation_fault", "parse_transcript", "read_lines", "require_name", "symbol_fault"]

_RESERVED = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})
# NIST's notation of alternatives, `{ b / t / @ }`. A single brace is a symbol (X-SAMPA).
_ALTERNATIVES = re.compile(r"\{[^{}]*/[^{}]*\}|\{[^{}]*\s/(?:\s[^{}]*|$)")


def require_name(name: str, path: Path, line: int | None, what: str = "utterance") -> str:
    """Return the name of an utterance, speaker or partition, checked against the rule for identifiers.

    Args:
        name: name to check.
        path: file that holds it.
        line: line number, or None.
        what: kind of thing that it names, for messages.

    Raises:
        CorpusError: the name breaks the rule.

    >>> require_name("mary-1", Path("text"), 1)
    'mary-1'
    """
    fault = identifier_fault(name)
    if fault is not None:
        shown = ascii(name if len(name) <= 60 else f"{name[:60]}...")
        raise CorpusError(path, line, f"{what} {shown} {fault}; {RULE}; rename it")
    return sys.intern(name)


def parse_transcript(text: str, path: Path, line: int | None) -> tuple[str, ...]:
    """Split a transcript into symbols at white space.

    Raises:
        CorpusError: there is no symbol, a symbol has a bracket or control character or is reserved, or there are
            alternatives.

    >>> parse_transcript("b  a a", Path("text"), 1)
    ('b', 'a', 'a')
    """
    symbols = tuple(sys.intern(symbol) for symbol in text.split())
    if not symbols:
        raise CorpusError(path, line, "has no symbol in its transcript; write one, or delete the utterance")
    fault = notation_fault(text)
    if fault is not None:
        raise CorpusError(path, line, fault)
    if symbols[0].startswith(";;"):
        why = f"symbol {symbols[0][:60]!r} begins a line with ;;, which marks a comment in trn files"
        raise CorpusError(path, line, f"{why}; replace it")
    reserved = next((symbol for symbol in symbols if symbol in _RESERVED), None)
    if reserved is not None:
        raise CorpusError(path, line, f"symbol {reserved!r} is reserved by language models; replace it")
    return symbols


def notation_fault(text: str) -> str | None:
    """Sentence about the first part of a transcript that is not a symbol, with a remedy; None if there is none.

    >>> notation_fault("{ r"), notation_fault("aa { b / t } k")
    (None, "has alternatives, '{ b / t }', of which one must be chosen; write the symbols that are said")
    """
    alternatives = _ALTERNATIVES.search(text)
    if alternatives is not None:
        shown = " ".join(alternatives[0].split())[:60]
        return f"has alternatives, {shown!r}, of which one must be chosen; write the symbols that are said"
    return next((fault for symbol in text.split() if (fault := symbol_fault(symbol)) is not None), None)


def symbol_fault(symbol: str) -> str | None:
    """Sentence about the fault of a symbol, with a remedy; None for a valid symbol.

    >>> symbol_fault("{"), symbol_fault("(b)")
    (None, "symbol '(b)' has a bracket, which trn files cannot hold (they mark optional symbols there); replace it")
    """
    if "(" in symbol or ")" in symbol:
        why = "has a bracket, which trn files cannot hold (they mark optional symbols there)"
        return f"symbol {symbol[:60]!r} {why}; replace it"
    if not symbol.isprintable():
        control = next((letter for letter in symbol if unicodedata.category(letter) in ("Cc", "Cs")), None)
        if control is not None:
            return f"symbol {symbol[:60]!r} has {control!r}, a control character; replace it"
    return None


def read_lines(path: Path, expected: str) -> list[str]:
    """Read the lines of a corpus file in UTF-8.

    Args:
        path: path of the file.
        expected: description of its lines, for messages.

    Raises:
        CorpusError: the file cannot be read, is not UTF-8, or is empty.
    """
    lines = text_file.read_lines(path, CorpusError, expected=f"lines {expected!r}")
    if not any(line.strip() for line in lines):
        raise CorpusError(path, None, f"is empty; expected lines {expected!r}")
    return lines
