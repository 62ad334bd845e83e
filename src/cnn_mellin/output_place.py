"""Places that a command may write to: none of its inputs, and no file of another kind."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from cnn_mellin.errors import SettingsError

__all__ = ["require_apart", "require_output_file"]

_HEAD_BYTES = 1 << 16


def require_apart(out: str | Path, *inputs: str | Path | None, inside: bool = True) -> None:
    """Check that what is written is none of the inputs and holds none of them.

    Args:
        out: file or folder to write.
        inputs: files and folders that are read; None stands for one that was not given.
        inside: allow `out` to lie in a folder that is read.

    Raises:
        SettingsError: one of them is, or lies in, what would be written.

    >>> require_apart("exp/logits", "exp/model", "data/test")
    >>> require_apart("exp", "exp/model", "data/test")
    Traceback (most recent call last):
    ...
    cnn_mellin.errors.SettingsError: exp: holds exp/model, which is read; name another place to write to
    """
    target = Path(os.path.realpath(out))
    for given in inputs:
        if given is None:
            continue
        source = Path(os.path.realpath(given))
        if source == target or _same_file(source, target):
            how = f"is {given}" if str(given) != str(out) else "is an input"
        elif target in source.parents:
            how = f"holds {given}"
        elif not inside and source in target.parents:
            how = f"lies in {given}"
        else:
            continue
        raise SettingsError(f"{out}: {how}, which is read; name another place to write to")


def require_output_file(out: str | Path, kind: str, *inputs: str | Path | None) -> None:
    """Check that a file may be written: it does not exist yet, or is an older one of the same kind.

    Args:
        out: file to write.
        kind: trn, ctm, jsonl, table, onnx, arpa or png.
        inputs: files and folders that are read; None stands for one that was not given.

    Raises:
        SettingsError: the file is an input, a folder, or of another kind.

    >>> require_output_file("hyp.trn", "trn", "exp/model", "data/test")
    """
    require_apart(out, *inputs)
    path = Path(out)
    if path.is_dir():
        raise SettingsError(f"{out}: is a folder; name a file")
    if not path.is_file():
        return
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    described, is_kind = _KINDS[kind]
    if head and not is_kind(_Head(head, len(head) < _HEAD_BYTES)):
        raise SettingsError(f"{out}: exists and is no {described}; name another file, or move this one away")


class _Head:
    """Beginning of a file."""

    def __init__(self, content: bytes, whole: bool) -> None:
        self.content, self.whole = content, whole

    def all_lines(self, pattern: str) -> bool:
        """Whether every line that is not empty matches, as far as the beginning goes."""
        lines = self.content.decode("utf-8", errors="replace").split("\n")
        if not self.whole:
            lines.pop()
        return all(re.fullmatch(pattern, line) for line in map(str.strip, lines) if line)

    def uncompressed(self) -> bytes:
        """The beginning of what gzip compressed, or the beginning itself."""
        if self.content[:2] != b"\x1f\x8b":
            return self.content
        try:
            return zlib.decompressobj(31).decompress(self.content, _HEAD_BYTES)
        except zlib.error:
            return b""
