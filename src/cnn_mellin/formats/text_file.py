"""Reading text files, JSON and YAML safely.

The package reads all text through this module: byte-order marks and Windows line ends are accepted; bytes that are not
UTF-8, oversized files, deep nesting and compressed files that grow a thousandfold are errors of one line.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from cnn_mellin.errors import CorpusError, DataError, UserError

__all__ = ["MAX_SETTINGS_BYTES", "parse_json", "parse_yaml", "read_json", "read_lines", "read_text", "split_lines"]

MAX_TEXT_BYTES = 1 << 30
MAX_SETTINGS_BYTES = 16 << 20  # limit for JSON and YAML, which take many times their size in memory when parsed
_MAX_LEVELS = 100
_MAX_GROWTH = 100  # gzip shrinks text four to ten times; a decompression bomb a thousand times
_CHUNK_BYTES = 1 << 20


def read_text(
    path: str | Path,
    error: type[UserError] = DataError,
    *,
    expected: str = "",
    max_bytes: int = MAX_TEXT_BYTES,
    compressed: bool = False,
    utf_16: bool = False,
) -> str:
    r"""Read a text file in UTF-8; a byte-order mark is removed.

    Args:
        path: path of the file.
        error: type of the exception to raise.
        expected: description of the content, for messages, such as "lines 'utterance speaker'".
        max_bytes: maximum size of the file.
        compressed: also read gzip-compressed files.
        utf_16: also read files in UTF-16, of either byte order, that begin with a byte-order mark.

    Raises:
        UserError: the file cannot be read, is too large, or is not UTF-8; the exception has the type `error`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.txt").write_bytes(b"\xef\xbb\xbfhello\r\n")
    ...     read_text(folder + "/a.txt")
    'hello\r\n'
    """
    remedy = f"; expected {expected}" if expected else "; name another file"
    whole = bytearray()
    try:
        with open(path, "rb") as file:
            while len(whole) <= max_bytes and (chunk := file.read(_CHUNK_BYTES)):
                whole += chunk
    except FileNotFoundError:
        _fail(error, path, None, f"does not exist{remedy}")
    except OSError as reason:
        _fail(error, path, None, f"cannot be read ({reason.strerror}){remedy}")
    content = bytes(whole)
    if len(content) > max_bytes:
        _fail(error, path, None, f"is larger than {max_bytes / 1e6:.0f} MB; is it the right file?{remedy}")
    if compressed and content[:2] == b"\x1f\x8b":
        content = _decompressed(content, path, error, max_bytes)
    if utf_16 and content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as reason:
            why = f"is not whole UTF-16 text (byte {reason.start}); save it again, in UTF-8"
            _fail(error, path, None, f"{why}{remedy}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = content[: reason.start].count(b"\n") + 1
        why = f"is not UTF-8 text (byte 0x{content[reason.start]:02x}); convert it (iconv -t utf-8)"
        _fail(error, path, line, f"{why}{remedy}")


def read_lines(path: str | Path, error: type[UserError] = DataError, **how: Any) -> list[str]:
    """Read the lines of a file; keywords as for `read_text`, line ends as for `split_lines`."""
    return split_lines(read_text(path, error, **how))


def split_lines(text: str) -> list[str]:
    r"""Split text only at line feeds, with or without a carriage return before them.

    `str.splitlines` also splits at characters that may occur within a line, such as a form feed.

    >>> split_lines("a\r\nb\x0cc\n")
    ['a', 'b\x0cc']
    """
    lines = re.split(r"\r?\n", text)
    return lines[:-1] if lines[-1] == "" else lines


def read_json(path: str | Path, error: type[UserError] = DataError, *, expected: str = "") -> dict[str, Any]:
    """Read the JSON object in a file.

    Raises:
        UserError: as for `read_text`, or the file does not hold a JSON object.
    """
    content = parse_json(read_text(path, error, expected=expected, max_bytes=MAX_SETTINGS_BYTES), path, error)
    if not isinstance(content, dict):
        _fail(error, path, None, f"holds a JSON {type(content).__name__}; expected an object of names and values")
    return content


def parse_json(text: str, source: str | Path, error: type[UserError] = DataError) -> Any:
    """Parse a JSON text.

    Args:
        text: JSON text.
        source: name of its file, for messages.
        error: type of the exception to raise.

    >>> parse_json('{"a": 1, "a": 2}', "a.json")
    Traceback (most recent call last):
    ...
    cnn_mellin.errors.DataError: a.json: is not JSON (duplicate name 'a')
    """
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except ValueError as reason:
        _fail(error, source, None, f"is not JSON ({reason})")
    except RecursionError:
        _fail(error, source, None, "is nested too deeply; expected JSON of a few levels")
    _check_levels_and_text(content, "JSON", text, source, error)
    return content


def parse_yaml(text: str, source: str | Path, error: type[UserError] = DataError) -> Any:
    """Parse a YAML text without aliases; the arguments are those of `parse_json`."""
    import yaml  # rarely needed

    try:
        _check_yaml(yaml.parse(text, Loader=yaml.SafeLoader), source, error)
        content = yaml.safe_load(text)
        _check_levels_and_text(content, "YAML", text, source, error)
        return content
    except yaml.YAMLError as reason:
        _fail(error, source, None, f"is not YAML ({' '.join(str(reason).split())})")
    except RecursionError:
        _fail(error, source, None, "is nested too deeply; expected YAML of a few levels")
    except ValueError as reason:  # such as the date 2026-99-99
        _fail(error, source, None, f"is not YAML ({reason})")


def _check_yaml(events: Iterable[Any], source: str | Path, error: type[UserError]) -> None:
    """Refuse duplicate names, deep nesting, and aliases, with which a few lines may expand to fill the memory."""
    import yaml  # rarely needed

    # For each level: the names of a mapping, and True if a name is next; None for a sequence.
    levels: list[tuple[set[str], list[bool]] | None] = []
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            _fail(error, source, line, f"alias *{event.anchor}: aliases are not allowed; write out the value")
        if isinstance(event, yaml.NodeEvent) and levels and levels[-1] is not None:
            names, name_is_next = levels[-1]
            if name_is_next[0] and isinstance(event, yaml.ScalarEvent):
                if event.value in names:
                    _fail(error, source, line, f"duplicate name {event.value!r}; keep one")
                names.add(event.value)
            name_is_next[0] = not name_is_next[0]
        if isinstance(event, yaml.CollectionStartEvent):
            levels.append((set(), [True]) if isinstance(event, yaml.MappingStartEvent) else None)
            if len(levels) > _MAX_LEVELS:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            levels.pop()


def _check_levels_and_text(content: Any, kind: str, text: str, source: str | Path, error: type[UserError]) -> None:
    """Refuse deep nesting, which no message could show, and lone surrogates, which cannot be encoded."""
    if text.count("[") + text.count("{") > _MAX_LEVELS:
        level = [content]
        for _ in range(_MAX_LEVELS):
            values = (value for value in level if isinstance(value, dict | list))
            level = [inner for value in values for inner in (value.values() if isinstance(value, dict) else value)]
            if not level:
                break
        else:
            _fail(error, source, None, f"is nested too deeply; expected {kind} of a few levels")
    if re.search(r"\\[uU]0*[dD][89a-fA-F]", text):
        try:
            json.dumps(content, ensure_ascii=False, default=str, skipkeys=True).encode()
        except UnicodeEncodeError as reason:
            half = ascii(reason.object[reason.start])
            _fail(error, source, None, f"has {half}, half of a surrogate pair; write the character itself")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"duplicate name {name!r}")
        content[name] = value
    return content


def _decompressed(content: bytes, path: str | Path, error: type[UserError], max_bytes: int) -> bytes:
    most = min(max_bytes, _MAX_GROWTH * len(content) + _CHUNK_BYTES)
    whole = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while chunk := file.read(_CHUNK_BYTES):
                whole += chunk
                if len(whole) > most:
                    growth = f"grows from {len(content)} bytes to more than {most}"
                    _fail(error, path, None, f"{growth}, unlike text; decompress it to see what it holds")
    except (EOFError, gzip.BadGzipFile, zlib.error):
        _fail(error, path, None, "is not a whole gzip file; write it again")
    return bytes(whole)


def _fail(error: type[UserError], path: str | Path, line: int | None, why: str) -> NoReturn:
    place = os.fspath(path)
    if issubclass(error, CorpusError):
        raise CorpusError(place, line, why) from None
    raise error(f"{place}: {why}" if line is None else f"{place}:{line}: {why}") from None
