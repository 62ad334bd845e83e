"""FLAC: the number of samples from the first block, or from the last frame if the first block says "unknown"."""

from __future__ import annotations

from cnn_mellin.audio.containers.promise import DamagedAudioError, Promise, Reader

__all__ = ["read_flac"]

# Header of a stream: its magic, then the block STREAMINFO of 34 bytes (with and without the last-block bit).
_STARTS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_STREAMINFO = 8  # place of the block's content after the magic
_COUNT = _STREAMINFO + 13  # place of the byte whose lower half starts the 36-bit number of samples
_LONGEST_FRAME = 1 << 21  # bytes searched for the last frame: 65535 samples of 8 channels fit twice
_TAG_BYTES = 128  # ID3v1, which some programs append


def read_flac(read: Reader, start: int = 0) -> Promise | None:
    """Promise of a FLAC file.

    Args:
        read: reader of the file.
        start: place of the magic, after tags.

    Raises:
        DamagedAudioError: several files are joined, or the length is unknown and the last frame incomplete.
    """
    if read(start, 8) not in _STARTS:
        return None
    _refuse_joined(read, start)
    num_frames = read.number(start + _COUNT, 5, ">") & (1 << 36) - 1
    if num_frames:
        return Promise("FLAC", num_frames)
    num_frames = _frames_by_the_last(read, start)
    high = read.number(start + _COUNT, 1, ">") & 0xF0
    corrected = (high << 32 | num_frames).to_bytes(5, "big")
    return Promise("FLAC", num_frames, None, {start + _COUNT: corrected})


def _refuse_joined(read: Reader, start: int) -> None:
    step = 1 << 22
    for place in range(start + 8, read.size, step):
        content, at = read(place, step + 7), -1
        while (at := content.find(b"fLaC", at + 1)) >= 0:
            if content[at : at + 8] in _STARTS:
                raise DamagedAudioError(
                    "is several FLAC files joined, of which only the first can be read; split it, or join their samples"
                )


def _frames_by_the_last(read: Reader, start: int) -> int:
    """Samples per channel up to the end of the last frame, whose header counts the preceding ones."""
    end = read.size - _TAG_BYTES if read(read.size - _TAG_BYTES, 3) == b"TAG" else read.size
    least, most = read.number(start + _STREAMINFO, 2, ">"), read.number(start + _STREAMINFO + 2, 2, ">")
    first = _first_frame(read, start)
    place = max(first, end - _LONGEST_FRAME)
    tail = read(place, end - place)
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        count = _frames_up_to(tail[at:], least if least == most else 0)
        if count is not None:
            return count
    if first >= end:
        return 0
    raise DamagedAudioError(
        "is cut short: it does not end with a whole FLAC frame, and its header gives no length; copy it again"
    )


def _first_frame(read: Reader, start: int) -> int:
    place = start + 4
    while True:
        header = read.number(place, 4, ">")
        place += 4 + (header & 0xFFFFFF)
        if header >> 31:
            return place


def _frames_up_to(frame: bytes, block_size: int) -> int | None:
    """Samples up to the end of a complete frame, or None for other bytes.

    Args:
        frame: bytes up to the end of the file.
        block_size: samples per frame (the last one excepted) if all frames are equally long, else 0.
    """
    if len(frame) < 9 or frame[1] & 0xFE != 0xF8 or frame[2] >> 4 == 0 or frame[2] & 15 == 15 or frame[3] & 1:
        return None
    number_bytes = 8 - (frame[4] ^ 0xFF).bit_length() or 1  # as in UTF-8, the number of leading ones
    number = frame[4] & (0x7F if number_bytes == 1 else 0x7F >> number_bytes)
    for byte in frame[5 : 4 + number_bytes]:
        number = number << 6 | byte & 0x3F
    at = 4 + number_bytes
    code = frame[2] >> 4
    size_bytes = {6: 1, 7: 2}.get(code, 0)
    if size_bytes:
        size = int.from_bytes(frame[at : at + size_bytes], "big") + 1
    else:
        size = 192 if code == 1 else 576 << code - 2 if code <= 5 else 256 << code - 8
    at += size_bytes + {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    if len(frame) < at + 3 or _remainder(frame[:at], 0x07, 8) != frame[at]:
        return None
    if _remainder(frame[:-2], 0x8005, 16) != int.from_bytes(frame[-2:], "big"):
        return None
    if frame[1] & 1:  # sizes vary: the header counts samples
        return number + size
    return number * (block_size or size) + size


def _remainder(content: bytes, polynomial: int, bits: int) -> int:
    """Cyclic redundancy check, highest bit first, initial value zero."""
    table = _tables.get(bits)
    if table is None:
        table = _tables[bits] = [_shifted(byte << bits - 8, polynomial, bits) for byte in range(256)]
    mask, remainder = (1 << bits) - 1, 0
    for byte in content:
        remainder = (remainder << 8 & mask) ^ table[remainder >> bits - 8 ^ byte]
    return remainder


_tables: dict[int, list[int]] = {}


def _shifted(remainder: int, polynomial: int, bits: int) -> int:
    for _ in range(8):
        remainder = (remainder << 1 ^ (polynomial if remainder >> bits - 1 else 0)) & (1 << bits) - 1
    return remainder
