"""Transcription of audio files, in the formats that they are printed in."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from cnn_mellin.audio.recording import read_recording
from cnn_mellin.decoding.transcriber import Transcriber, Transcription
from cnn_mellin.errors import AudioError, SettingsError
from cnn_mellin.formats.transcripts import ctm_lines

__all__ = ["TranscribedFile", "printable_path", "recording_names", "transcribe_file", "transcribe_files"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranscribedFile:
    """Transcription of an audio file.

    Args:
        path: the audio file.
        name: name of the recording in a ctm.
        transcription: result.
    """

    path: Path
    name: str
    transcription: Transcription

    def table_lines(self) -> list[str]:
        """Lines to read: a heading, start and end in seconds and symbol of each phone, and the next best sequences."""
        phones, n_best = self.transcription.phones, self.transcription.n_best
        lines = [f"{printable_path(self.path)}: {len(phones)} phones in {self.transcription.duration_s:.2f} s"]
        lines += [f"{start:9.3f} {end:9.3f}  {symbol}" for symbol, start, end in phones]
        for rank, (symbols, score) in enumerate(n_best[1:], 2):
            lines.append(f"  {rank}. ({score:.3f}): {' '.join(symbols)}")
        return lines

    def ctm_lines(self) -> list[str]:
        """Lines of a ctm: name, channel, start, duration, phone.

        Raises:
            AudioError: the name cannot be written in a ctm.
        """
        if not self.name.isprintable():
            why = "its name has bytes that a ctm cannot hold (not UTF-8, or control characters); rename it"
            raise AudioError(printable_path(self.path), why)
        try:
            return ctm_lines(self.name, [(start, end, symbol) for symbol, start, end in self.transcription.phones])
        except ValueError as error:
            raise AudioError(self.path, f"{error}; rename it") from None

    def as_dict(self) -> dict[str, Any]:
        """Content for JSON: `audio` (the path), and all of `Transcription.as_dict`."""
        return {"audio": str(self.path), **self.transcription.as_dict()}


def transcribe_file(transcriber: Transcriber, path: str | Path) -> Transcription:
    """Transcribe an audio file; it is resampled and mixed down to one channel if need be, with a warning in the log.

    Raises:
        AudioError: the file cannot be read, is too short, or does not fit into memory.
    """
    path = Path(path)
    try:
        samples, changes = read_recording(path, sample_rate_hz=transcriber.sample_rate_hz)
        if changes:
            _log.warning("%s: %s", printable_path(path), ", ".join(changes))
        return transcriber(torch.from_numpy(samples))
    except ValueError as error:
        raise AudioError(path, str(error)) from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise AudioError(path, "does not fit into memory; cut it into shorter files") from None


def transcribe_files(
    transcriber: Transcriber, paths: Sequence[Path], *, quiet: bool = True
) -> Iterator[TranscribedFile]:
    """Transcribe audio files one after another, as the result is iterated over.

    A file that cannot be transcribed is left out, with a warning in the log.

    Args:
        transcriber: model, features and decoder.
        paths: audio files; duplicates are left out.
        quiet: show no progress bar.

    Raises:
        SettingsError: the names of two files differ only in their suffix.
    """
    names = recording_names(paths)
    with tqdm(names.items(), "transcribe", unit="file", disable=quiet or None) as progress:
        for path, name in progress:
            try:
                transcription = transcribe_file(transcriber, path)
            except AudioError as error:
                _log.warning("%s", error)
                continue
            yield TranscribedFile(path, name, transcription)


def recording_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name of each recording in a ctm: the stem of its path, or the path without suffix if stems are equal.

    Raises:
        SettingsError: two paths differ only in their suffix.

    >>> list(recording_names([Path("a/x.wav"), Path("b/x.wav"), Path("y.wav")]).values())
    ['a/x', 'b/x', 'y']
    """
    paths = list(dict.fromkeys(paths))
    stems = Counter(path.stem for path in paths)
    names = {path: path.stem if stems[path.stem] == 1 else str(path.with_suffix("")) for path in paths}
    same = [name for name, count in Counter(names.values()).items() if count > 1]
    if same:
        raise SettingsError(
            f"{len(same)} names of recordings differ only in their suffix: {', '.join(same[:5])}; rename one"
        )
    return names


def printable_path(path: Path) -> str:
    r"""Path as text for messages and tables: bytes that are not UTF-8, and control characters, are escaped.

    >>> printable_path(Path(os.fsdecode(b"caf" + bytes([0xE9]))))
    'caf\\xe9'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
