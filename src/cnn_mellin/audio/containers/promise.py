"""The length that the header of an audio file promises, and the one rule by which it is compared with the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "DamagedAudioError",
    "Promise",
    "Reader",
    "promise_of_bytes",
    "refuse_joined",
    "refuse_part_of_a_sample",
    "says_unknown",
]

# Sizes that programs write where they cannot go back to fill in the right one: GStreamer's, SoX's and espeak's, what
# fits into 31 bits (lame, arecord), what fits into 32 bits (ffmpeg). Some take off the bytes of the header, or round
# down to whole samples.
_PLACEHOLDERS = (0x7FFF0000, 0x7FFFF000, 0x80000000, 0xFFFFFFFF)
_WITHIN = 4096
# Beginnings of files that are samples by no chance.
_BEGINNINGS = re.compile(
    rb"(?:RIFF|RIFX|RF64)....WAVE|FORM....(?:AIF[FC]|8SVX|16SV)|riff\x2e\x91\xcf\x11\xa5\xd6|caff\x00\x01\x00\x00desc|"
    rb"NIST_1A\n   |\.snd\x00\x00......\x00\x00\x00[\x01-\x1b]\x00|dns\...\x00\x00....[\x01-\x1b]\x00\x00\x00",
    re.DOTALL,
)
_LONGEST_BEGINNING = 32
_PLACEHOLDER_64_BITS = 1 << 62  # from here on no file can be that long: ffmpeg writes 2^63 - 1, others 2^64 - 1


class DamagedAudioError(ValueError):
    """A file is not what its header says; the text is a phrase that follows the name of the file."""


class Reader:
    """Bytes of a file at places, none past its end.

    Args:
        read_at: function of place and number of bytes.
        size: bytes in the file.
    """

    def __init__(self, read_at: Callable[[int, int], bytes], size: int) -> None:
        self._read_at, self.size = read_at, size

    def __call__(self, place: int, num_bytes: int) -> bytes:
        """Bytes at a place."""
        return self._read_at(place, num_bytes) if 0 <= place < self.size else b""

    def number(self, place: int, num_bytes: int, order: str, *, signed: bool = False) -> int:
        """A whole number at a place.

        Raises:
            DamagedAudioError: the file ends before it.
        """
        content = self(place, num_bytes)
        if len(content) < num_bytes:
            raise DamagedAudioError(f"is cut short within its header, after {self.size} bytes; copy it again")
        return int.from_bytes(content, "big" if order == ">" else "little", signed=signed)


@dataclass(frozen=True)
class Promise:
    """Lengths that a header gives.

    Args:
        container: name of the format.
        num_frames: samples per channel, or None where only the decoder can tell.
        end: place after the last byte that belongs to the recording, or None where only the decoder can tell.
        corrections: place -> bytes that stand there for the audio library, where the header says "unknown".
        prefix: bytes that stand for the audio library instead of those before `first`.
        first: place of the first byte that follows the prefix.
        tells_length: false where the header has no field for the length, so that a cut cannot be noticed.
    """

    container: str
    num_frames: int | None = None
    end: int | None = None
    corrections: Mapping[int, bytes] = field(default_factory=dict)
    prefix: bytes = b""
    first: int = 0
    tells_length: bool = True


def says_unknown(num_bytes: int) -> bool:
    """True for sizes that programs write to a pipe, where they cannot know the right one.

    >>> [says_unknown(size) for size in (0x7FFFF000, 0xFFFFFFFF - 36, 2**63 - 1, 0xC0000000, 64000)]
    [True, True, True, False, False]
    """
    return num_bytes >= _PLACEHOLDER_64_BITS or any(0 <= most - num_bytes <= _WITHIN for most in _PLACEHOLDERS)


def promise_of_bytes(container: str, size: int, first: int, promised: int, frame_bytes: int) -> Promise:
    """The promise of a header that counts bytes.

    Args:
        container: name of the format.
        size: bytes in the file.
        first: place of the first sample.
        promised: bytes of samples that the header promises.
        frame_bytes: bytes of a sample in all channels; 0 where they are compressed.

    Raises:
        DamagedAudioError: the file ends before that.
    """
    there = max(size - first, 0)
    if promised > there:
        unit, divisor = ("samples", frame_bytes) if frame_bytes else ("bytes of samples", 1)
        found = f"its header promises {promised // divisor} {unit}, {there // divisor} are there"
        raise DamagedAudioError(f"is cut short: {found}; copy it again")
    return Promise(container, promised // frame_bytes if frame_bytes else None, first + promised)


def refuse_joined(read: Reader, first: int) -> None:
    """Refuse samples of unknown length, from a place on, that hold the header of another file.

    Raises:
        DamagedAudioError: they do.
    """
    step = 1 << 20
    for place in range(first, read.size, step):
        found = _BEGINNINGS.search(read(place, step + _LONGEST_BEGINNING))
        if found:
            where = f"another begins at byte {place + found.start()}"
            raise DamagedAudioError(f"is several files joined ({where}); split it, or join their samples")


def refuse_part_of_a_sample(there: int, frame_bytes: int, *, padded: bool = False) -> None:
    """Refuse samples of unknown length that end within one.

    Args:
        there: bytes of samples.
        frame_bytes: bytes of a sample in all channels; 0 where they are compressed.
        padded: a byte is added to an odd number of bytes.

    Raises:
        DamagedAudioError: they do.
    """
    if frame_bytes and there % frame_bytes > (padded and there % 2 == 0):
        why = f"its last sample has {there % frame_bytes} of {frame_bytes} bytes"
        raise DamagedAudioError(f"is cut short: {why}; copy it again")
