"""The symbols of a corpus and their classes, stored in `ext/token2id.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.formats.transcript_symbols import symbol_fault
from cnn_mellin.nearest import nearest

__all__ = ["class_of_end", "read_symbols", "write_symbols"]

_CLASS = re.compile(r"[0-9]{1,9}")


def write_symbols(ext_dir: Path, symbols: Iterable[str]) -> None:
    """Write `token2id.txt` (lines `symbol class`) and `id2token.txt` (lines `class symbol`)."""
    symbols = list(symbols)
    ext_dir.mkdir(parents=True, exist_ok=True)
    with atomic_file(ext_dir / "token2id.txt") as token2id, atomic_file(ext_dir / "id2token.txt") as id2token:
        token2id.writelines(f"{symbol} {i}\n" for i, symbol in enumerate(symbols))
        id2token.writelines(f"{i} {symbol}\n" for i, symbol in enumerate(symbols))


def read_symbols(ext_dir: str | Path) -> list[str]:
    """Read the symbols, in the order of their classes, from `token2id.txt` in `ext_dir`.

    Raises:
        DataError: the file is missing, a line is not a symbol and a class, a symbol has a bracket or control character,
            or the classes are not 0, 1, 2, ...
    """
    path = Path(ext_dir) / "token2id.txt"
    lines = read_lines(path, expected="lines 'symbol class', in the ext folder that the partitions of a corpus share")
    symbol_of: dict[int, str] = {}
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if len(fields) != 2 or not _CLASS.fullmatch(fields[1]):
            raise DataError(
                f"{path}:{number}: {line!r} is not a symbol and its class; restore the file, or prepare the data again"
            )
        if int(fields[1]) in symbol_of or fields[0] in seen:
            raise DataError(
                f"{path}:{number}: duplicate symbol or class in {line!r}; restore the file, or prepare the data again"
            )
        fault = symbol_fault(fields[0])
        if fault is not None:
            raise DataError(f"{path}:{number}: {fault}")
        symbol_of[int(fields[1])] = fields[0]
        seen.add(fields[0])
    if not symbol_of or sorted(symbol_of) != list(range(len(symbol_of))):
        raise DataError(f"{path}: classes must be 0, 1, 2, ... without a gap; found {sorted(symbol_of)[:5]} ...")
    return [symbol_of[i] for i in range(len(symbol_of))]


def class_of_end(symbol: str | None, symbols: Sequence[str]) -> int | None:
    """Class of the symbol that the setting sos or eos adds around references, or None if it is not set.

    Raises:
        SettingsError: the symbol is not one of the corpus.

    >>> class_of_end("b", ["a", "b"])
    1
    """
    if symbol is None:
        return None
    if symbol not in symbols:
        raise SettingsError(
            f"[data] sos or eos = {symbol}: is not a symbol of token2id.txt; {nearest(symbol, symbols)}"
        )
    return list(symbols).index(symbol)
