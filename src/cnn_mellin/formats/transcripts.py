"""Transcripts in NIST formats: trn and stm (one line per utterance; stm has times), ctm (one line per symbol)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.phone_sets import fold_phones
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.formats.transcript_symbols import notation_fault, symbol_fault

__all__ = ["ctm_lines", "read_phones", "read_trn", "write_ctm", "write_stm", "write_trn"]

_LINE = re.compile(r"^(?P<symbols>.*?)\(\s*(?P<name>[^()\s]+)\s*\)\s*$")
# Recordings have one channel; sclite compares its name between references and hypotheses.
_CHANNEL = "A"
_NAME = re.compile(r"[^()\s]+")


def read_trn(path: str | Path) -> dict[str, list[str]]:
    """Read a trn file: utterance -> symbols.

    Blank lines and lines that begin with `;;` (comments, as in sclite) are skipped.

    Raises:
        DataError: the file cannot be read or holds no transcript, a line has no utterance id, an id is duplicate, or a
            transcript has NIST's alternatives (`{ b / t }`) or optional symbols (`(b)`), which cannot be scored.
    """
    transcripts = {}
    for number, name, text in _read_lines(path):
        fault = notation_fault(text)
        if fault is not None:
            raise DataError(f"{path}:{number}: {fault}")
        transcripts[name] = text.split()
    return transcripts


def read_phones(path: str | Path, *, fold: bool = True) -> dict[str, list[str]]:
    """Read the phones to score from a trn file: utterance -> phones.

    Args:
        path: path of the file.
        fold: fold TIMIT's phones to 39; False leaves the symbols unchanged.

    Raises:
        DataError: as for `read_trn`, or a symbol to be folded is not a TIMIT phone.
    """
    if not fold:
        return read_trn(path)
    return {name: fold_phones(text.split(), 39, f"{path}: {name}") for _, name, text in _read_lines(path)}


def _read_lines(path: str | Path) -> list[tuple[int, str, str]]:
    """Line number, utterance id and transcript of each line."""
    rows: dict[str, tuple[int, str, str]] = {}
    for number, line in enumerate(read_lines(path, expected="lines 'phones (utterance)'"), 1):
        if not line.strip() or line.startswith(";;"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise DataError(f"{path}:{number}: {line[:60]!r} is not 'phones (utterance)'")
        name = require_identifier(match["name"], "utterance", f"{path}:{number}")
        if name in rows:
            raise DataError(f"{path}:{number}: duplicate utterance id {name} (listed twice); delete one of the lines")
        rows[name] = number, name, match["symbols"]
    if not rows:
        raise DataError(f"{path}: holds no transcript; expected one line 'phones (utterance)' per utterance")
    return list(rows.values())


def write_trn(path: str | Path, transcripts: Mapping[str, Sequence[str]]) -> None:
    """Write a trn file atomically, sorted by utterance.

    Args:
        path: path of the file.
        transcripts: utterance -> symbols.

    Raises:
        ValueError: a name or symbol has white space or brackets, and could not be read back.
    """
    for name, symbols in transcripts.items():
        _check_names([name, *symbols])
    with atomic_file(path) as file:
        for name, symbols in sorted(transcripts.items()):
            file.write(" ".join([*symbols, f"({name})"]) + "\n")


def ctm_lines(name: str, segments: Sequence[tuple[float, float, str]]) -> list[str]:
    """Format the ctm lines of one utterance: `utterance A start duration symbol`, times in seconds.

    Args:
        name: id of the utterance.
        segments: (start, end, symbol) in seconds, sorted by time.

    Raises:
        ValueError: a name or symbol has white space or brackets, or times are not sorted.

    >>> ctm_lines("a-1", [(0.25, 0.5, "t")])
    ['a-1 A 0.2500 0.2500 t']
    """
    _check_names([name, *(symbol for _, _, symbol in segments)])
    latest = 0.0
    for start, end, symbol in segments:
        if not latest <= start <= end:
            raise ValueError(f"{name}: {symbol} lies at {start}..{end} s; times must not go backwards")
        latest = start
    return [f"{name} {_CHANNEL} {start:.4f} {end - start:.4f} {symbol}" for start, end, symbol in segments]


def write_ctm(path: str | Path, segments: Mapping[str, Sequence[tuple[float, float, str]]]) -> None:
    """Write a ctm file atomically: symbols with their times, as formatted by `ctm_lines`.

    Args:
        path: path of the file.
        segments: utterance -> (start, end, symbol) in seconds, sorted by time; an empty list writes no line.

    Raises:
        ValueError: a name or symbol has white space or brackets, or times are not sorted.
    """
    lines = [line for name, of_utterance in sorted(segments.items()) for line in ctm_lines(name, of_utterance)]
    with atomic_file(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def write_stm(path: str | Path, utterances: Mapping[str, tuple[str, float, Sequence[str]]]) -> None:
    """Write an stm file atomically: references with times, for scoring the hypotheses of `write_ctm` by sclite.

    Lines are `utterance A speaker 0 end symbols`, sorted by utterance.

    Args:
        path: path of the file.
        utterances: utterance -> (speaker, end in seconds, symbols).

    Raises:
        ValueError: a name or symbol has white space or brackets, or an end is negative.
    """
    lines = []
    for name, (speaker, end, symbols) in sorted(utterances.items()):
        _check_names([name, speaker, *symbols])
        if not end >= 0:
            raise ValueError(f"{name}: ends at {end} s; the end must be 0 or later")
        # sclite takes a first symbol in angle brackets for the label of the utterance, which is optional.
        label = ["<O>"] if symbols and symbols[0].startswith("<") else []
        lines.append(" ".join([name, _CHANNEL, speaker, "0.0000", f"{end:.4f}", *label, *symbols]))
    with atomic_file(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name) or symbol_fault(name) is not None:
            rule = "names and symbols have no white space, no brackets and no control characters"
            raise ValueError(f"{name!r} cannot be written: {rule}")
