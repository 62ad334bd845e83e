"""Checks on the output paths of commands: they must not overwrite an input, or a file of another kind."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cnn_mellin.errors import SettingsError

__all__ = ["require_apart", "require_output_file"]

_LOOK_BYTES = 1 << 16


def require_apart(out: str | Path, *inputs: str | Path | None, inside: bool = True, around: bool = False) -> None:
    """Check that an output is not one of the inputs, and does not contain one.

    Args:
        out: file or folder to write.
        inputs: files and folders that are read; None stands for an input that was not given.
        inside: allow `out` to lie inside an input folder.
        around: allow `out` to contain inputs.

    Raises:
        SettingsError: the output is an input, contains one or lies inside one although that is not allowed.

    >>> require_apart("exp/logits", "exp/model", "data/test")
    >>> require_apart("exp", "exp/model", "data/test")
    Traceback (most recent call last):
    ...
    cnn_mellin.errors.SettingsError: exp: contains the input exp/model; name another output
    """
    target = Path(os.path.realpath(out))
    for given in inputs:
        if given is None:
            continue
        source = Path(os.path.realpath(given))
        if source == target or (source.exists() and target.exists() and source.samefile(target)):
            how = f"is the input {given}" if str(given) != str(out) else "is an input"
        elif not around and target in source.parents:
            how = f"contains the input {given}"
        elif not inside and source in target.parents:
            how = f"lies inside the input {given}"
        else:
            continue
        raise SettingsError(f"{out}: {how}; name another output")


def require_output_file(out: str | Path, kind: str, *inputs: str | Path | None) -> None:
    """Check that a file may be written: it does not exist yet, or holds older output of the same kind.

    Args:
        out: file to write.
        kind: kind of content: trn, ctm, n_best, transcriptions, onnx, arpa, png, html, settings, names or trials.
        inputs: files and folders that are read; None stands for an input that was not given.

    Raises:
        SettingsError: the file is an input, a folder, or of another kind.

    >>> require_output_file("hyp.trn", "trn", "exp/model", "data/test")
    """
    require_apart(out, *inputs)
    path = Path(out)
    if path.is_dir():
        raise SettingsError(f"{out}: is a folder; name a file")
    if path.name.endswith(".ref.trn") and path.with_name("token2id.txt").exists():
        raise SettingsError(f"{out}: is a reference of prepared data; name another file")
    if not path.is_file() or not path.stat().st_size:
        return
    described, is_kind = _KINDS[kind]
    with open(path, "rb") as file:
        if not is_kind(file):
            raise SettingsError(f"{out}: exists and is not {described}; name another file, or move this one away")


def _first_line_is(pattern: str) -> Callable[[IO[bytes]], bool]:
    """Make a function that returns True if the first non-blank line of a file matches a pattern."""

    def matches(file: IO[bytes]) -> bool:
        lines = file.read(_LOOK_BYTES).decode("utf-8", errors="replace").split("\n")
        first = next((line.strip() for line in lines if line.strip()), "")
        return re.match(pattern, first) is not None

    return matches


def _begins(content: bytes) -> Callable[[IO[bytes]], bool]:
    return lambda file: file.read(len(content)) == content


def _is_onnx(file: IO[bytes]) -> bool:
    """Return True for an exported model, recognised by the metadata at its end."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - _LOOK_BYTES))
    tail = file.read()
    return all(name in tail for name in (b"phones", b"sample_rate_hz", b"frame_shift_ms", b"full_scale"))


def _is_arpa(file: IO[bytes]) -> bool:
    head = file.read(_LOOK_BYTES)
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _LOOK_BYTES)
        except zlib.error:
            return False
    return b"\\data\\" in head


def _is_settings(file: IO[bytes]) -> bool:
    """Return True for settings as commands write them: commented INI, or JSON or YAML that begins with the model."""
    return re.match(rb'# \w+: |\{\s*"model": \{|model:\s', file.read(_LOOK_BYTES)) is not None


_TRANSCRIPTIONS = r'.+: \d+ phones in [\d.]+ s$|\S.* \S+ [\d.]+ [\d.]+ \S+$|\{"audio": '
_KINDS: dict[str, tuple[str, Callable[[IO[bytes]], bool]]] = {
    "trn": ("a trn file", _first_line_is(r".*\([^()\s]+\)$")),
    "ctm": ("a ctm file", _first_line_is(r"\S+ \S+ [\d.]+ [\d.]+ \S+$")),
    "n_best": ("a file of N-best lists", _first_line_is(r'\{"utterance": ')),
    "transcriptions": ("a file of transcriptions", _first_line_is(_TRANSCRIPTIONS)),
    "onnx": ("an exported model", _is_onnx),
    "arpa": ("an ARPA file", _is_arpa),
    "png": ("a PNG picture", _begins(b"\x89PNG\r\n\x1a\n")),
    "html": ("a page of pictures", _begins(b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')),
    "settings": ("a settings file that was written by a command", _is_settings),
    "names": ("a list of settings", _first_line_is(r"\w+\\\.\w+$")),
    "trials": ("a table of trials", _first_line_is("number,state,dev_per_percent,")),
}
