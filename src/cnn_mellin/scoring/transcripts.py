"""Transcripts in NIST's forms: trn (a line an utterance, its symbols and its name) and ctm (a line a symbol)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.corpora.phone_sets import fold_phones
from cnn_mellin.errors import DataError
from cnn_mellin.identifier import require_identifier

__all__ = ["ctm_lines", "read_phones", "read_trn", "write_ctm", "write_trn"]

_LINE = re.compile(r"^(?P<symbols>.*?)\(\s*(?P<name>[^()\s]+)\s*\)\s*$")
_NAME = re.compile(r"[^()\s]+")


def read_trn(path: str | Path) -> dict[str, list[str]]:
    """Utterance -> symbols.

    Blank lines and lines that begin with `;;` (comments, to sclite) hold nothing.

    Raises:
        DataError: the file cannot be read, a line has no name, a name is there twice or breaks the rule of
            identifiers, or there is no transcript.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; expected lines 'phones (utterance)'") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    transcripts: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(";;"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise DataError(f"{path}:{number}: {line[:60]!r} is not 'phones (utterance)'")
        if match["name"] in transcripts:
            raise DataError(f"{path}:{number}: utterance {match['name']} is there a second time")
        name = require_identifier(match["name"], "utterance", f"{path}:{number}")
        transcripts[name] = match["symbols"].split()
    if not transcripts:
        raise DataError(f"{path}: holds no transcript; expected a line 'phones (utterance)' for each")
    return transcripts


def read_phones(path: str | Path, *, fold: bool = True) -> dict[str, list[str]]:
    """Utterance -> phones to score, from a trn file.

    Args:
        path: of the file.
        fold: fold TIMIT's phones to 39; False takes symbols as they are.

    Raises:
        DataError: as `read_trn` raises it, or a symbol that should be folded is no phone of TIMIT's.
    """
    transcripts = read_trn(path)
    if not fold:
        return transcripts
    return {name: fold_phones(phones, 39, f"{path}: {name}") for name, phones in transcripts.items()}


def write_trn(path: str | Path, transcripts: Mapping[str, Sequence[str]]) -> None:
    """Write utterance -> symbols, sorted by utterance, whole or not at all.

    Raises:
        ValueError: a name or symbol holds white space or brackets, and could not be read back.
    """
    for name, symbols in transcripts.items():
        _check_names([name, *symbols])
    with atomic_file(path) as file:
        for name, symbols in sorted(transcripts.items()):
            file.write(" ".join([*symbols, f"({name})"]) + "\n")


def ctm_lines(name: str, segments: Sequence[tuple[float, float, str]]) -> list[str]:
    """Lines `utterance 1 start duration symbol` of an utterance, in seconds.

    Args:
        name: of the utterance.
        segments: (start, end, symbol) in seconds, in order of time.

    Raises:
        ValueError: a name or symbol holds white space or brackets, or a time goes backwards.

    >>> ctm_lines("a-1", [(0.25, 0.5, "t")])
    ['a-1 1 0.250 0.250 t']
    """
    _check_names([name, *(symbol for _, _, symbol in segments)])
    latest = 0.0
    for start, end, symbol in segments:
        if not latest <= start <= end:
            raise ValueError(f"{name}: {symbol} lies at {start}..{end} s; times must not go backwards")
        latest = start
    return [f"{name} 1 {start:.3f} {end - start:.3f} {symbol}" for start, end, symbol in segments]


def write_ctm(path: str | Path, segments: Mapping[str, Sequence[tuple[float, float, str]]]) -> None:
    """Write symbols with their times, whole or not at all, as `ctm_lines` has them.

    Args:
        path: of the file.
        segments: utterance -> (start, end, symbol) in seconds, in order of time; utterances without any leave no line.

    Raises:
        ValueError: a name or symbol holds white space or brackets, or a time goes backwards.
    """
    lines = [line for name, of_utterance in sorted(segments.items()) for line in ctm_lines(name, of_utterance)]
    with atomic_file(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be written: names and symbols have no white space and no brackets")
