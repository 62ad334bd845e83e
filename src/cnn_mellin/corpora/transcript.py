"""What the names and symbols of any corpus may be: all that later files of theirs can hold."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cnn_mellin.errors import CorpusError
from cnn_mellin.identifier import RULE, identifier_fault

__all__ = ["parse_transcript", "read_lines", "require_name"]

_SYMBOL = re.compile(r"[^()\s]+")
_RESERVED = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})


def require_name(name: str, path: Path, line: int | None, what: str = "utterance") -> str:
    """The name of an utterance, speaker or partition, if it keeps the rule of identifiers.

    Raises:
        CorpusError: it breaks the rule.

    >>> require_name("mary-1", Path("text"), 1)
    'mary-1'
    """
    fault = identifier_fault(name)
    if fault is not None:
        shown = ascii(name if len(name) <= 60 else f"{name[:60]}...")
        raise CorpusError(path, line, f"{what} {shown} {fault}; {RULE}; rename it")
    return sys.intern(name)


def parse_transcript(text: str, path: Path, line: int | None) -> tuple[str, ...]:
    """The symbols of a transcript, which white space divides.

    Raises:
        CorpusError: there is none, or one has a bracket or is reserved.

    >>> parse_transcript("b  a a", Path("text"), 1)
    ('b', 'a', 'a')
    """
    symbols = tuple(sys.intern(symbol) for symbol in text.split())
    if not symbols:
        raise CorpusError(path, line, "has no symbol; write what is said, or delete the utterance")
    for number, symbol in enumerate(symbols):
        if not _SYMBOL.fullmatch(symbol) or (number == 0 and symbol.startswith(";;")):
            why = f"symbol {symbol[:60]!r} has a bracket, or begins a line with ;;, which trn files cannot hold"
            raise CorpusError(path, line, f"{why}; replace it")
        if symbol in _RESERVED:
            raise CorpusError(path, line, f"symbol {symbol!r} is reserved by language models; replace it")
    return symbols


def read_lines(path: Path, expected: str) -> list[str]:
    """Lines of a text file in UTF-8.

    Args:
        path: the file.
        expected: what its lines should be, for messages.

    Raises:
        CorpusError: it cannot be read, is not UTF-8, or is empty.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise CorpusError(path, None, f"does not exist; expected lines {expected!r}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CorpusError(path, line, "is not UTF-8 text; convert it (iconv -t utf-8)") from None
    except OSError as error:
        raise CorpusError(path, None, f"cannot be read ({error.strerror})") from None
    if not text.strip():
        raise CorpusError(path, None, f"is empty; expected lines {expected!r}")
    return re.split(r"\r?\n", text)
