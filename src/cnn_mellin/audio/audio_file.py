"""Opening audio files: only regular files, with the length that the header promises."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import soundfile

from cnn_mellin.audio.containers import DamagedAudioError, Promise, bytes_left_over, read_promise
from cnn_mellin.audio.containers.promise import Reader
from cnn_mellin.errors import AudioError

__all__ = ["AudioFile", "open_audio"]

_LONG, _MOST_KEPT = 1 << 20, 64  # minimum size in bytes of a file whose promise is cached; number of cached promises
_kept: dict[tuple[int, ...], tuple[Promise | None, int]] = {}
_kept_lock = Lock()
_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


@dataclass(frozen=True)
class AudioFile:
    """An open audio file.

    Args:
        sound: the file as the audio library opened it.
        promise: length that the header promises, or None if this package does not know the container.
        num_samples: samples per channel that the file must hold.
        num_left_over: number of bytes after the samples that are neither tags nor padding.
    """

    sound: soundfile.SoundFile
    promise: Promise | None
    num_samples: int
    num_left_over: int


@contextmanager
def open_audio(path: str | Path) -> Iterator[AudioFile]:
    """Open an audio file, and compare its length with its header.

    Args:
        path: path of the file.

    Raises:
        AudioError: the file is not a regular file, empty, unreadable, not audio, shorter than its header says,
            or several files joined.
    """
    with _regular_file(path) as file:
        status = os.fstat(file.fileno())
        size = status.st_size
        if not size:
            raise AudioError(path, "is empty (0 bytes); copy it again")
        try:
            reader = Reader(lambda place, num_bytes: _read_at(file, place, num_bytes), size)
            promise, num_left_over = _promise(reader, status)
        except DamagedAudioError as damage:
            raise AudioError(path, str(damage)) from None
        except OSError as error:
            raise AudioError(path, f"cannot be read ({error.strerror})") from None
        try:
            source = _source(path, file, size - num_left_over, promise, whole=not num_left_over)
            sound = soundfile.SoundFile(source, closefd=False)
        except soundfile.LibsndfileError as error:
            why = error.error_string.strip(" .")
            raise AudioError(path, f"is not an audio file that can be read ({why}); write it as WAV or FLAC") from None
        with sound:
            promised = promise.num_frames if promise is not None else None
            yield AudioFile(sound, promise, int(sound.frames) if promised is None else promised, num_left_over)


def _regular_file(path: str | Path) -> BinaryIO:
    """Open a regular file; other kinds are refused without waiting for a writer, as opening a pipe would."""
    try:
        mode = os.stat(path).st_mode
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), None)
        if kind is not None:
            raise AudioError(path, f"cannot be read: it is a {kind}; name a file (write piped audio to a file first)")
        return open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise AudioError(ascii(str(path)), "cannot be read (embedded null byte)") from None


def _promise(reader: Reader, status: os.stat_result) -> tuple[Promise | None, int]:
    """Promise of a file, and number of bytes after its samples; cached for long files, which are read in segments."""
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    with _kept_lock:
        if key in _kept:
            return _kept[key]
    promise = read_promise(reader)
    found = promise, bytes_left_over(reader, promise) if promise is not None else 0
    if status.st_size >= _LONG:
        with _kept_lock:
            _kept[key] = found
            if len(_kept) > _MOST_KEPT:
                del _kept[next(iter(_kept))]
    return found


def _read_at(file: BinaryIO, place: int, num_bytes: int) -> bytes:
    file.seek(place)
    return file.read(num_bytes)


def _source(path: str | Path, file: BinaryIO, size: int, promise: Promise | None, *, whole: bool) -> object:
    """Source for the audio library: the descriptor, so that any name works, or the corrected first `size` bytes."""
    if promise is not None and (promise.corrections or promise.prefix or not whole):
        return io.BufferedReader(_Corrected(file, size, promise))
    if os.name == "nt":  # a descriptor belongs to one C library, and the audio library has its own
        return str(path)
    if promise is None and Path(path).with_name(f"._{Path(path).name}").exists():  # header of Sound Designer II
        return os.fsencode(path)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return file.fileno()


class _Corrected(io.RawIOBase):
    """The first `size` bytes of a file, with the corrections and the prefix of its promise applied."""

    def __init__(self, file: BinaryIO, size: int, promise: Promise) -> None:
        self._file, self._promise, self._place = file, promise, 0
        self._size = size - promise.first + len(promise.prefix)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        prefix = self._promise.prefix
        if self._place < len(prefix):
            content = bytearray(prefix[self._place : self._place + len(view)])
        else:
            first = self._place - len(prefix) + self._promise.first
            content = bytearray(_read_at(self._file, first, max(min(len(view), self._size - self._place), 0)))
            for place, correction in self._promise.corrections.items():
                for i, byte in enumerate(correction, place - first):
                    if 0 <= i < len(content):
                        content[i] = byte
        view[: len(content)] = content
        self._place += len(content)
        return len(content)
