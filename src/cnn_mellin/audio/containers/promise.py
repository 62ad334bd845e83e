"""The length that the header of an audio file promises, and its comparison with the file."""

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

# Sizes that programs write if they cannot go back to fill in the right one: those of GStreamer, SoX and espeak, the
# maximum of 31 bits (lame, arecord), the maximum of 32 bits (ffmpeg). Some subtract the bytes of the header, or round
# down to whole samples.
_PLACEHOLDERS = (0x7FFF0000, 0x7FFFF000, 0x80000000, 0xFFFFFFFF)
_WITHIN = 4096
# First bytes of files, long enough that samples do not look like them by chance.
_BEGINNINGS = re.compile(
    rb"(?:RIFF|RIFX|RF64)....WAVE|FORM....(?:AIF[FC]|8SVX|16SV)|riff\x2e\x91\xcf\x11\xa5\xd6|caff\x00\x01\x00\x00desc|"
    rb"NIST_1A\n   |\.snd\x00\x00......\x00\x00\x00[\x01-\x1b]\x00|dns\...\x00\x00....[\x01-\x1b]\x00\x00\x00",
    re.DOTALL,
)
_LONGEST_BEGINNING = 32
_PLACEHOLDER_64_BITS = 1 << 62  # no file is that long: ffmpeg writes 2^63 - 1, others 2^64 - 1


class DamagedAudioError(ValueError):
    """A file contradicts its header; the message is a phrase that follows the file name."""


class Reader:
    """Reads bytes at places of a file, none past its end.

    Args:
        read_at: function of place and number of bytes.
        size: size of the file in bytes.
    """

    def __init__(self, read_at: Callable[[int, int], bytes], size: int) -> None:
        self._read_at, self.size = read_at, size

    def __call__(self, place: int, num_bytes: int) -> bytes:
        """Read bytes at a place."""
        return self._read_at(place, num_bytes) if 0 <= place < self.size else b""

    def number(self, place: int, num_bytes: int, order: str, *, signed: bool = False) -> int:
        """Read an integer at a place.

        Raises:
            DamagedAudioError: the file ends before it.
        """
        content = self(place, num_bytes)
        if len(content) < num_bytes:
            raise DamagedAudioError(f"is cut short within its header, after {self.size} bytes; copy it again")
        return int.from_bytes(content, "big" if order == ">" else "little", signed=signed)


@dataclass(frozen=True)
class Promise:
    """Length that a header promises.

    Args:
        container: name of the format.
        num_frames: samples per channel, or None if only the decoder can count them.
        end: place after the last byte of the recording, or None if only the decoder can find it.
        corrections: place -> bytes to show to the audio library there, where the header says "unknown".
        prefix: bytes to show to the audio library in place of the bytes before `first`.
        first: place of the first byte after the prefix.
        tells_length: False if the header does not give the length, so that truncation is not noticed.
    """

    container: str
    num_frames: int | None = None
    end: int | None = None
    corrections: Mapping[int, bytes] = field(default_factory=dict)
    prefix: bytes = b""
    first: int = 0
    tells_length: bool = True


def says_unknown(num_bytes: int) -> bool:
    """Return True for a size that programs write to a pipe, where they cannot know the right one.

    >>> [says_unknown(size) for size in (0x7FFFF000, 0xFFFFFFFF - 36, 2**63 - 1, 0xC0000000, 64000)]
    [True, True, True, False, False]
    """
    return num_bytes >= _PLACEHOLDER_64_BITS or any(0 <= most - num_bytes <= _WITHIN for most in _PLACEHOLDERS)


def promise_of_bytes(container: str, size: int, first: int, promised: int, frame_bytes: int) -> Promise:
    """Make the promise of a header that counts bytes.

    Args:
        container: name of the format.
        size: size of the file in bytes.
        first: place of the first sample.
        promised: number of bytes of samples that the header promises.
        frame_bytes: bytes of one sample in all channels; 0 if the samples are compressed.

    Raises:
        DamagedAudioError: the file is shorter than promised.
    """
    there = max(size - first, 0)
    if promised > there:
        unit, divisor = ("samples", frame_bytes) if frame_bytes else ("bytes of samples", 1)
        found = f"its header promises {promised // divisor} {unit}, but it holds {there // divisor}"
        raise DamagedAudioError(f"is cut short: {found}; copy it again")
    return Promise(container, promised // frame_bytes if frame_bytes else None, first + promised)


def refuse_joined(read: Reader, first: int) -> None:
    """Refuse samples of unknown length if they contain the header of another file.

    Args:
        read: reader of the file.
        first: place of the first sample.

    Raises:
        DamagedAudioError: the samples contain another header.
    """
    step = 1 << 20
    for place in range(first, read.size, step):
        found = _BEGINNINGS.search(read(place, step + _LONGEST_BEGINNING))
        if found:
            where = f"another begins at byte {place + found.start()}"
            raise DamagedAudioError(f"is several files joined ({where}); split it, or join their samples")


def refuse_part_of_a_sample(there: int, frame_bytes: int, *, padded: bool = False) -> None:
    """Refuse samples of unknown length if the last one is incomplete.

    Args:
        there: number of bytes of samples.
        frame_bytes: bytes of one sample in all channels; 0 if the samples are compressed.
        padded: an odd number of bytes is padded by one byte.

    Raises:
        DamagedAudioError: the last sample is incomplete.
    """
    if frame_bytes and there % frame_bytes > (padded and there % 2 == 0):
        why = f"its last sample has {there % frame_bytes} of {frame_bytes} bytes"
        raise DamagedAudioError(f"is cut short: {why}; copy it again")
