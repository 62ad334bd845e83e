"""Choice of the container reader by the first bytes of a file."""

from __future__ import annotations

from collections.abc import Callable

from cnn_mellin.audio.containers.chunked import read_aiff, read_caf, read_riff, read_w64
from cnn_mellin.audio.containers.fixed_header import (
    read_au,
    read_avr,
    read_mat4,
    read_mat5,
    read_mpc2k,
    read_sds,
    read_voc,
    read_wve,
    read_xi,
)
from cnn_mellin.audio.containers.flac import read_flac
from cnn_mellin.audio.containers.mpeg import read_mpeg, tag_bytes
from cnn_mellin.audio.containers.ogg import read_ogg
from cnn_mellin.audio.containers.promise import DamagedAudioError, Promise, Reader
from cnn_mellin.audio.containers.sphere import SPHERE_MAGIC, read_sphere

__all__ = ["bytes_left_over", "read_promise"]

_READERS: dict[bytes, Callable[[Reader], Promise | None]] = {
    b"RIFF": read_riff,
    b"RIFX": read_riff,
    b"RF64": read_riff,
    b"riff\x2e\x91\xcf\x11": read_w64,
    b"FORM": read_aiff,
    b"caff": read_caf,
    SPHERE_MAGIC: read_sphere,
    b"OggS": read_ogg,
    b".snd": read_au,
    b"dns.": read_au,
    b"2BIT": read_avr,
    b"\x01\x04": read_mpc2k,
    b"Creative Voice File\x1a": read_voc,
    b"ALawSoundFile**": read_wve,
    b"Extended Instrument: ": read_xi,
    b"\xf0\x7e": read_sds,
    b"\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00": read_mat4,
    b"\x00\x00\x03\xe8\x00\x00\x00\x01\x00\x00\x00\x01": read_mat4,
    b"MATLAB 5.0 MAT-file": read_mat5,
}
# Formats whose header does not give the length.
_WITHOUT_LENGTH = {
    b"\x64\xa3": "IRCAM",
    b"\x00\x02\xa3\x64": "IRCAM",
    b" paf": "PAF",
    b"fap ": "PAF",
    b"PVF1": "PVF",
}
_ALIGNMENT = 8  # widest padding: that of W64
_IGNORED_AT_THE_END = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"3DI")


def read_promise(read: Reader) -> Promise | None:
    """Read the length that a header promises, and compare it with the file.

    Args:
        read: reader of the file.

    Returns:
        The promise, or None for an unknown container; the audio library may still know it.

    Raises:
        DamagedAudioError: the file is shorter than its header says, or several files joined.
    """
    head = read(0, 32)
    start = tag_bytes(read, 0)
    if start:
        return read_flac(read, start) or read_mpeg(read, start)
    if head.startswith(b"fLaC"):
        return read_flac(read)
    for magic, reader in _READERS.items():
        if head.startswith(magic):
            promise = reader(read)
            if promise is not None:
                _refuse_joined(read, promise)
            return promise
    for magic, name in _WITHOUT_LENGTH.items():
        if head.startswith(magic):
            return Promise(name, tells_length=False)
    return read_mpeg(read)


def bytes_left_over(read: Reader, promise: Promise) -> int:
    """Number of bytes after the recording that are neither tags nor padding."""
    if promise.end is None or read.size - promise.end <= 1:
        return 0
    rest = read(promise.end, 11)
    if rest.startswith(_IGNORED_AT_THE_END) or (len(rest) < _ALIGNMENT and not any(rest)):
        return 0
    return read.size - promise.end


def _refuse_joined(read: Reader, promise: Promise) -> None:
    if promise.end is None or promise.end >= read.size:
        return
    for padding in range(_ALIGNMENT):
        head = read(promise.end + padding, 32)
        if any(len(magic) > 2 and head.startswith(magic) for magic in (*_READERS, b"fLaC")):
            raise DamagedAudioError(
                f"is several files joined, of which only the first can be read (another begins at byte "
                f"{promise.end + padding}); split it, or join their samples"
            )
