"""Transcripts in NIST's trn form: a line an utterance, its phones and then its name in brackets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError

__all__ = ["read_trn", "write_trn"]

_LINE = re.compile(r"^(?P<symbols>.*?)\(\s*(?P<name>[^()\s]+)\s*\)\s*$")


def read_trn(path: str | Path) -> dict[str, list[str]]:
    """Utterance -> symbols.

    Raises:
        DataError: the file cannot be read, a line has no name, or a name is there twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    transcripts: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None:
            raise DataError(f"{path}:{number}: {line[:60]!r} is not 'phones (utterance)'")
        if match["name"] in transcripts:
            raise DataError(f"{path}:{number}: utterance {match['name']} is there a second time")
        transcripts[match["name"]] = match["symbols"].split()
    if not transcripts:
        raise DataError(f"{path}: holds no transcript; expected a line 'phones (utterance)' for each")
    return transcripts


def write_trn(path: str | Path, transcripts: Mapping[str, Sequence[str]]) -> None:
    """Write utterance -> symbols, sorted by utterance, whole or not at all."""
    with atomic_file(path) as file:
        for name, symbols in sorted(transcripts.items()):
            file.write(" ".join([*symbols, f"({name})"]) + "\n")
