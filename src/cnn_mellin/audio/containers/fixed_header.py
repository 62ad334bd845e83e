"""Containers whose header fields are at fixed places: AU, AVR, MAT4, MAT5, MPC 2000, VOC, WVE, XI, SDS."""

from __future__ import annotations

import struct

from cnn_mellin.audio.containers.promise import (
    DamagedAudioError,
    Promise,
    Reader,
    promise_of_bytes,
    refuse_joined,
    refuse_part_of_a_sample,
    says_unknown,
)

__all__ = ["read_au", "read_avr", "read_mat4", "read_mat5", "read_mpc2k", "read_sds", "read_voc", "read_wve", "read_xi"]

# Encoding of an AU file -> bytes per sample: u-law, integers of 8 to 32 bits, float, double, A-law.
_AU_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
_MAT4_WIDTHS = {0: 8, 1: 4, 2: 4, 3: 2, 4: 2, 5: 1}
_VOC_DATA, _VOC_MORE_DATA, _VOC_NEW_DATA = 1, 2, 9


def read_au(read: Reader) -> Promise:
    """Promise of a Sun or NeXT file, in either byte order."""
    order = ">" if read(0, 4) == b".snd" else "<"
    first, promised, encoding, _, channels = (read.number(place, 4, order) for place in range(4, 24, 4))
    frame_bytes = _AU_WIDTHS.get(encoding, 0) * channels
    there = max(read.size - first, 0)
    if promised and not (says_unknown(promised) and promised > there):
        return promise_of_bytes("AU", read.size, first, promised, frame_bytes)
    refuse_joined(read, first)
    refuse_part_of_a_sample(there, frame_bytes)
    corrections = {8: struct.pack(order + "I", min(there, 0xFFFFFFFF))}
    return Promise("AU", there // frame_bytes if frame_bytes else None, read.size, corrections)


def read_avr(read: Reader) -> Promise:
    """Promise of an Audio Visual Research file."""
    frame_bytes = max(read.number(14, 2, ">") // 8, 1) * (2 if read.number(12, 2, ">") else 1)
    return promise_of_bytes("AVR", read.size, 128, read.number(26, 4, ">") * frame_bytes, frame_bytes)


def read_mpc2k(read: Reader) -> Promise:
    """Promise of an Akai MPC 2000 sample."""
    frame_bytes = 4 if read.number(21, 1, "<") else 2
    return promise_of_bytes("MPC2K", read.size, 42, read.number(30, 4, "<") * frame_bytes, frame_bytes)


def read_wve(read: Reader) -> Promise:
    """Promise of a Psion file."""
    return promise_of_bytes("WVE", read.size, 32, read.number(18, 4, ">"), 1)


def read_xi(read: Reader) -> Promise:
    """Promise of a FastTracker 2 instrument of one sample."""
    width = 2 if read.number(312, 1, "<") & 16 else 1
    if not read.number(298, 4, "<"):
        return Promise("XI", tells_length=False)
    return promise_of_bytes("XI", read.size, 338, read.number(298, 4, "<"), width)


def read_sds(read: Reader) -> Promise:
    """Promise of a MIDI sample dump: packets of 127 bytes, 120 of them samples in groups of 7 bits."""
    bits = read.number(6, 1, "<")
    low, middle, high = (read.number(place, 1, "<") for place in (10, 11, 12))
    num_frames, width = low | middle << 7 | high << 14, max((bits + 6) // 7, 1)
    num_packets = -(-num_frames * width // 120)
    promise_of_bytes("SDS", read.size, 21, num_packets * 127, 0)
    return Promise("SDS", num_frames, 21 + num_packets * 127)


def read_mat4(read: Reader) -> Promise | None:
    """Promise of a GNU Octave 2.0 or Matlab 4 file: a sample rate, then samples."""
    order = ">" if read(0, 4) == b"\0\0\3\xe8" else "<"
    place = 0
    for _ in range(2):
        kind, rows, columns, _, name_bytes = (read.number(place + 4 * i, 4, order) for i in range(5))
        width, first = _MAT4_WIDTHS.get(kind // 10 % 10, 0), place + 20 + name_bytes
        place = first + rows * columns * width
    return promise_of_bytes("MAT4", read.size, first, rows * columns * width, rows * width) if rows * width else None


def read_mat5(read: Reader) -> Promise | None:
    """Promise of a GNU Octave 2.1 or Matlab 5 file: the last of its matrices holds the samples."""
    order = "<" if read(126, 2) == b"IM" else ">"
    place, last = 128, None
    for _ in range(100):
        if read.size < place + 8 or read.number(place, 4, order) != 14:
            break
        last, place = place, place + 8 + read.number(place + 4, 4, order)
    if last is None:
        return None
    rows, columns = read.number(last + 32, 4, order), read.number(last + 36, 4, order)
    name_bytes = read.number(last + 44, 4, order)
    small = read.number(last + 40, 4, order) >> 16  # a name of up to 4 bytes is stored in its own tag
    data = last + 48 + (0 if small else _aligned(name_bytes))
    num_bytes = read.number(data + 4, 4, order)
    if not rows * columns:
        return Promise("MAT5", 0, read.size)
    return promise_of_bytes("MAT5", read.size, data + 8, num_bytes, rows * max(num_bytes // (rows * columns), 1))


def _aligned(num_bytes: int) -> int:
    return (num_bytes + 7) // 8 * 8


def read_voc(read: Reader) -> Promise | None:
    """Promise of a Creative Voice file with one block of samples; of several, only the first would be read."""
    place, blocks, promise = read.number(20, 2, "<"), 0, None
    while place < read.size:
        kind = read.number(place, 1, "<")
        if kind == 0 or kind > _VOC_NEW_DATA:
            break
        num_bytes = read.number(place + 1, 3, "<")
        if kind in (_VOC_DATA, _VOC_MORE_DATA, _VOC_NEW_DATA):
            blocks += 1
            header_bytes = {_VOC_DATA: 2, _VOC_MORE_DATA: 0, _VOC_NEW_DATA: 12}[kind]
            frame_bytes = 1
            if kind == _VOC_NEW_DATA:
                frame_bytes = max(read.number(place + 8, 1, "<") // 8, 1) * max(read.number(place + 9, 1, "<"), 1)
            promise = promise_of_bytes(
                "VOC", read.size, place + 4 + header_bytes, num_bytes - header_bytes, frame_bytes
            )
        place += 4 + num_bytes
    if blocks > 1:
        raise DamagedAudioError(f"has {blocks} blocks of samples, of which only the first can be read; write it as WAV")
    return promise and Promise("VOC", promise.num_frames, min(place + (read(place, 1) == b"\0"), read.size))
