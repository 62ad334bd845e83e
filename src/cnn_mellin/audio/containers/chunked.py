"""Containers made of named chunks: RIFF and RF64, W64, AIFF and 8SVX, CAF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from cnn_mellin.audio.containers.promise import (
    DamagedAudioError,
    Promise,
    Reader,
    promise_of_bytes,
    refuse_joined,
    refuse_part_of_a_sample,
    says_unknown,
)

__all__ = ["read_aiff", "read_caf", "read_riff", "read_w64"]

_EXTENSIBLE = 0xFFFE
_UNCOMPRESSED = (1, 3, 6, 7)  # PCM, IEEE float, A-law, u-law
_UNCOMPRESSED_AIFC = (b"NONE", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")
_ONE_BYTE_AIFC = (b"ulaw", b"ULAW", b"alaw", b"ALAW")
_LONGEST_WALK = 100_000  # chunks; a usual file has a dozen


def read_riff(read: Reader) -> Promise | None:
    """Promise of a WAV file: RIFF, RIFX (big-endian) or RF64 (64-bit sizes in a chunk ds64)."""
    magic = read(0, 4)
    order = ">" if magic == b"RIFX" else "<"
    frame_bytes, lengths_64 = 0, 0
    for name, place, num_bytes in _chunks(read, 12, order):
        if name == b"ds64":
            lengths_64 = place
        elif name == b"fmt ":
            frame_bytes = _riff_frame_bytes(read, place, num_bytes, order)
        elif name == b"data":
            return _riff_data(read, place, num_bytes, frame_bytes, order, lengths_64 if magic == b"RF64" else 0)
    return None


def _riff_frame_bytes(read: Reader, place: int, num_bytes: int, order: str) -> int:
    """Bytes of one sample in all channels, 0 if the samples are compressed."""
    kind, frame_bytes = read.number(place, 2, order), read.number(place + 12, 2, order)
    if kind == _EXTENSIBLE and num_bytes >= 26:
        kind = read.number(place + 24, 2, order)
    return frame_bytes if kind in _UNCOMPRESSED else 0


def _riff_data(read: Reader, first: int, num_bytes: int, frame_bytes: int, order: str, lengths_64: int) -> Promise:
    long = bool(lengths_64) and num_bytes in (0, 0xFFFFFFFF)
    promised = read.number(lengths_64 + 8, 8, order) if long else num_bytes
    there = read.size - first
    if promised > there and not says_unknown(promised) or promised and promised <= there:
        promise = promise_of_bytes("WAV", read.size, first, promised, frame_bytes)
        return replace(promise, end=_end_of_chunks(read, first + promised + promised % 2, order))
    if not there or (not promised and _end_of_chunks(read, first, order) >= read.size):
        return Promise("WAV", 0, read.size)
    refuse_joined(read, first)
    refuse_part_of_a_sample(there, frame_bytes, padded=True)
    if long:
        lengths = struct.pack(order + "QQQ", read.size - 8, there, there // max(frame_bytes, 1))
        corrections = {lengths_64: lengths, first - 4: b"\xff\xff\xff\xff"}
    else:
        sizes = (min(read.size - 8, 0xFFFFFFFF), min(there, 0xFFFFFFFF))
        corrections = {4: struct.pack(order + "I", sizes[0]), first - 4: struct.pack(order + "I", sizes[1])}
    return Promise("WAV", there // frame_bytes if frame_bytes else None, read.size, corrections)


def read_w64(read: Reader) -> Promise | None:
    """Promise of a Sony Wave64 file, whose chunks have names of 16 bytes and are aligned to 8 bytes."""
    frame_bytes, place = 0, 40
    for _ in range(_LONGEST_WALK):
        header = read(place, 24)
        if len(header) < 24:
            return None
        name, num_bytes = header[:4], int.from_bytes(header[16:], "little")
        if name == b"fmt ":
            frame_bytes = _riff_frame_bytes(read, place + 24, num_bytes - 24, "<")
        if name == b"data":
            first, there = place + 24, read.size - place - 24
            if num_bytes - 24 > 0 and not (says_unknown(num_bytes) and num_bytes - 24 > there):
                promise = promise_of_bytes("W64", read.size, first, num_bytes - 24, frame_bytes)
                aligned = place + _aligned(num_bytes)
                end = _end_of_w64(read, aligned)
                return replace(promise, end=place + num_bytes if end == aligned else min(end, read.size))
            if not there or (num_bytes == 24 and _end_of_w64(read, first) >= read.size):
                return Promise("W64", 0, read.size)
            refuse_joined(read, first)
            refuse_part_of_a_sample(there, frame_bytes)
            corrections = {16: struct.pack("<Q", read.size), place + 16: struct.pack("<Q", there + 24)}
            return Promise("W64", there // frame_bytes if frame_bytes else None, read.size, corrections)
        if num_bytes < 24:
            return None
        place += _aligned(num_bytes)
    return None


def _aligned(num_bytes: int) -> int:
    return (num_bytes + 7) // 8 * 8


def _end_of_w64(read: Reader, place: int) -> int:
    """Place after the chunks that follow, whose names all end with the same bytes."""
    for _ in range(_LONGEST_WALK):
        header = read(place, 24)
        num_bytes = int.from_bytes(header[16:], "little")
        if len(header) < 24 or header[6:16] != b"\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a" or num_bytes < 24:
            break
        place += _aligned(num_bytes)
    return place


def read_aiff(read: Reader) -> Promise | None:
    """Promise of an IFF file: AIFF, AIFC (compressed, or little-endian), 8SVX and 16SV."""
    kind = read(8, 4)
    counter, data = None, None
    for name, place, num_bytes in _chunks(read, 12, ">"):
        if name == b"COMM" and num_bytes >= 18:
            counter = place + 2
        elif name == b"BODY" and kind in (b"8SVX", b"16SV"):
            return _after_chunks(read, promise_of_bytes("SVX", read.size, place, num_bytes, 1 + (kind == b"16SV")))
        elif name == b"SSND":
            data = place, num_bytes
            if counter or num_bytes == 0:  # the chunk COMM may follow the samples, unless they are endless
                break
    if counter is None or data is None or kind not in (b"AIFF", b"AIFC"):
        return None
    channels, bits = read.number(counter - 2, 2, ">"), read.number(counter + 4, 2, ">")
    coding = read(counter + 16, 4) if kind == b"AIFC" else b"NONE"
    width = (bits + 7) // 8 if coding in _UNCOMPRESSED_AIFC else int(coding in _ONE_BYTE_AIFC)
    return _aiff_data(read, *data, counter, channels * width)


def _aiff_data(read: Reader, place: int, num_bytes: int, counter: int, frame_bytes: int) -> Promise:
    num_frames = read.number(counter, 4, ">")
    offset = read.number(place, 4, ">") if read.size >= place + 4 else 0
    first = place + 8 + offset
    there = read.size - first
    # SoX writes a count of 0x7f000000 to a pipe, others 0 or a size of says_unknown; the sizes then mean nothing.
    counted = num_frames not in (0, 0x7F000000) and not says_unknown(num_frames)
    if counted or not frame_bytes:
        promised = num_bytes - 8 - offset
        if not counted and promised <= 0:
            return Promise("AIFF")
        if counted and frame_bytes and (promised <= 0 or says_unknown(num_bytes)):
            promised = num_frames * frame_bytes
        promise = promise_of_bytes("AIFF", read.size, first, max(promised, 0), frame_bytes)
        if frame_bytes and promise.num_frames is not None and promise.num_frames < num_frames:
            found = f"its header promises {num_frames} samples, but it holds {promise.num_frames}"
            raise DamagedAudioError(f"is cut short: {found}; copy it again")
        return _after_chunks(read, promise)
    if there <= 0 or (num_bytes == 8 + offset and _end_of_chunks(read, first, ">") >= read.size):
        return Promise("AIFF", 0, read.size)
    refuse_joined(read, first)
    refuse_part_of_a_sample(there, frame_bytes, padded=True)
    sizes = (min(size, 0xFFFFFFFF) for size in (read.size - 8, there // frame_bytes, there + 8 + offset))
    places = (4, counter, place - 4)
    corrections = {place: struct.pack(">I", size) for place, size in zip(places, sizes, strict=True)}
    return Promise("AIFF", there // frame_bytes, read.size, corrections)


def _after_chunks(read: Reader, promise: Promise) -> Promise:
    end = promise.end or 0
    return replace(promise, end=_end_of_chunks(read, end + end % 2, ">"))


def read_caf(read: Reader) -> Promise | None:
    """Promise of an Apple Core Audio file."""
    frame_bytes, place = 0, 8
    for _ in range(_LONGEST_WALK):
        header = read(place, 12)
        if len(header) < 12:
            return None
        name, num_bytes = header[:4], int.from_bytes(header[4:], "big", signed=True)
        if name == b"desc":
            uncompressed = read(place + 20, 4) in (b"lpcm", b"ulaw", b"alaw")
            frame_bytes = read.number(place + 28, 4, ">") if uncompressed else 0
        if name == b"data":
            first, there = place + 16, read.size - place - 16  # a count of edits precedes the samples
            if num_bytes > 4 and not says_unknown(num_bytes):
                promise = promise_of_bytes("CAF", read.size, first, num_bytes - 4, frame_bytes)
                return replace(promise, end=_end_of_caf(read, first + num_bytes - 4))
            if there <= 0 or num_bytes in (0, 4) and _end_of_caf(read, place + 12 + num_bytes) >= read.size:
                return Promise("CAF", 0, read.size)
            refuse_joined(read, first)
            refuse_part_of_a_sample(there, frame_bytes)
            corrections = {place + 4: struct.pack(">q", there + 4)}
            return Promise("CAF", there // frame_bytes if frame_bytes else None, read.size, corrections)
        if num_bytes < 0:
            return None
        place += 12 + num_bytes
    return None


def _end_of_caf(read: Reader, place: int) -> int:
    for _ in range(_LONGEST_WALK):
        header = read(place, 12)
        num_bytes = int.from_bytes(header[4:], "big", signed=True)
        if len(header) < 12 or not _is_name(header[:4]) or not 0 <= num_bytes <= read.size - place - 12:
            break
        place += 12 + num_bytes
    return place


def _chunks(read: Reader, place: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over chunks: name, place of the content, number of its bytes."""
    for _ in range(_LONGEST_WALK):
        header = read(place, 8)
        if len(header) < 8:
            return
        name, num_bytes = header[:4], int.from_bytes(header[4:], "big" if order == ">" else "little")
        yield name, place + 8, num_bytes
        place += 8 + num_bytes + num_bytes % 2


def _end_of_chunks(read: Reader, place: int, order: str) -> int:
    """Place after the complete chunks that follow; bytes after them do not belong to the file of this header."""
    for name, first, num_bytes in _chunks(read, place, order):
        if not _is_name(name) or name in (b"RIFF", b"RIFX", b"RF64", b"FORM") or first + num_bytes > read.size:
            break
        place = first + num_bytes + num_bytes % 2
    return min(place, read.size)


def _is_name(name: bytes) -> bool:
    return all(32 <= letter < 127 for letter in name)
