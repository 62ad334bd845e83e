"""The rule for the identifiers of utterances, speakers, partitions and studies.

Identifiers become file names (`feat/NAME.pt`), appear in brackets in trn files and at the start of table lines, and are
shown on terminals and in figures.
"""

from __future__ import annotations

import re

from cnn_mellin.errors import DataError, UserError

__all__ = ["MAX_IDENTIFIER_BYTES", "RULE", "identifier_fault", "require_identifier"]

MAX_IDENTIFIER_BYTES = 200  # file systems allow 255; suffixes and temporary names need some of them
RULE = (
    f"an identifier has 1 to {MAX_IDENTIFIER_BYTES} bytes of printable characters, no white space, bracket or slash, "
    "and no dot or semicolon at its start"
)
_PLAIN = re.compile(rf"[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{MAX_IDENTIFIER_BYTES - 1}}}")  # most names, at once
_SEPARATORS = re.compile(r"[()/\\\s]")


def identifier_fault(name: str) -> str | None:
    r"""Phrase that says how an identifier breaks the rule, or None if it is valid.

    >>> identifier_fault("mary-1"), identifier_fault("mary 1"), identifier_fault("mary\x00")
    (None, "has ' '", "has '\\x00', which cannot be printed")
    """
    if _PLAIN.fullmatch(name):
        return None
    if not name:
        return "is empty"
    separator = _SEPARATORS.search(name)
    if separator is not None:
        return f"has {separator[0]!r}"
    hidden = next((character for character in name if not character.isprintable()), None)
    if hidden is not None:
        return f"has {hidden!r}, which cannot be printed"
    if name[0] in ".;":
        return f"begins with {name[0]!r}"
    num_bytes = len(name.encode())
    return f"has {num_bytes} bytes" if num_bytes > MAX_IDENTIFIER_BYTES else None


def require_identifier(name: str, what: str, where: str = "", error: type[UserError] = DataError) -> str:
    """Return an identifier, checked against the rule.

    Args:
        name: identifier.
        what: kind of thing that it names, such as "utterance".
        where: place of the identifier, for messages, such as "ref.trn:3".
        error: type of the exception to raise; its argument is the message.

    Raises:
        UserError: the identifier breaks the rule; the exception has the type `error`.

    >>> require_identifier("mary-1", "speaker")
    'mary-1'
    """
    fault = identifier_fault(name)
    if fault is not None:
        shown = ascii(name if len(name) <= 60 else name[:60] + "...")
        raise error(f"{where + ': ' if where else ''}{what} {shown} {fault}; {RULE}; rename it")
    return name
