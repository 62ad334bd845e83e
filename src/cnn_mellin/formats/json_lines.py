"""JSON lines: files with one JSON object per line, plain or gzip-compressed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.text_file import read_lines

__all__ = ["read_json_lines"]


def read_json_lines(path: str | Path, expected: str) -> Iterator[tuple[int, dict[str, Any]]]:
    r"""Iterate over the line number and the JSON object of each line; blank lines are skipped.

    Args:
        path: file, which may be gzip-compressed.
        expected: description of the lines, for messages.

    Raises:
        CorpusError: the file cannot be read, or a line is not a JSON object.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n')
    ...     list(read_json_lines(folder + "/a.jsonl", "objects"))
    [(1, {'a': 1}), (3, {'a': 2})]
    """
    for number, line in enumerate(read_lines(path, CorpusError, expected=expected, compressed=True), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as reason:
            why = "is nested too deeply" if isinstance(reason, RecursionError) else f"is not JSON ({reason})"
            raise CorpusError(path, number, f"{why}; expected {expected}") from None
        if not isinstance(content, dict):
            raise CorpusError(path, number, f"holds a JSON {type(content).__name__}; expected {expected}")
        yield number, content
