"""NIST SPHERE: a text header, then samples."""

from __future__ import annotations

import re

from cnn_mellin.audio.containers.promise import (
    DamagedAudioError,
    Promise,
    Reader,
    promise_of_bytes,
    refuse_joined,
    refuse_part_of_a_sample,
)

__all__ = ["SPHERE_MAGIC", "read_sphere"]

SPHERE_MAGIC = b"NIST_1A\n"
_LONGEST_HEADER = 1 << 20  # bytes; corpora have headers of 1024
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def read_sphere(read: Reader) -> Promise:
    """Promise of a SPHERE file.

    Args:
        read: reader of the file.

    Raises:
        DamagedAudioError: the header is incomplete or not valid, the file is shorter than promised, or its samples are
            compressed with shorten.
    """
    header_bytes = _header_bytes(read)
    head = read(0, header_bytes)
    text = head.split(b"end_head", 1)[0].decode("ascii", "replace")
    fields = {line.split()[0]: line.split()[-1] for line in text.splitlines()[2:] if len(line.split()) >= 3}
    if "sample_count" not in fields:
        raise DamagedAudioError("is not a whole SPHERE file: its header lacks its size or sample_count; copy it again")
    num_frames = _field(fields, "sample_count", least=0)
    frame_bytes = _field(fields, "sample_n_bytes", least=1, most=8, default=2)
    frame_bytes *= _field(fields, "channel_count", least=1, most=1024, default=1)
    if "shorten" in fields.get("sample_coding", "") or read(header_bytes, 4) == b"ajkg":
        raise DamagedAudioError("is compressed with shorten; decompress it first (sph2pipe -f wav IN OUT)")
    if not num_frames:  # unknown to the program that wrote the file, or no samples
        there = max(read.size - header_bytes, 0)
        refuse_joined(read, header_bytes)
        refuse_part_of_a_sample(there, frame_bytes)
        return Promise("SPHERE", there // frame_bytes, read.size)
    return promise_of_bytes("SPHERE", read.size, header_bytes, num_frames * frame_bytes, frame_bytes)


def _header_bytes(read: Reader) -> int:
    """Size of the header in bytes, from its second line."""
    written = read(8, 8).decode("ascii", "replace").strip()
    if not _NUMBER.fullmatch(written):
        raise DamagedAudioError("is not a whole SPHERE file: its header lacks its size or sample_count; copy it again")
    if not 16 < int(written) <= _LONGEST_HEADER:
        raise DamagedAudioError(
            f"has a SPHERE header of {written} bytes; it must be 17 to {_LONGEST_HEADER}; copy it again"
        )
    return int(written)


def _field(fields: dict[str, str], name: str, *, least: int, most: int | None = None, default: int = 0) -> int:
    value = fields.get(name, str(default))
    if not _NUMBER.fullmatch(value) or int(value) < least or (most is not None and int(value) > most):
        rule = f"at least {least}" if most is None else f"{least} to {most}"
        shown = value if len(value) <= 30 else value[:30] + "..."
        raise DamagedAudioError(
            f"has {name} {shown} in its SPHERE header; it must be {rule}; copy it again, or correct it"
        )
    return int(value)
