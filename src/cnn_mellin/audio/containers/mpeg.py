"""MPEG audio (MP3 and the older layers): frames, whose number the first frame may give."""

from __future__ import annotations

from cnn_mellin.audio.containers.promise import DamagedAudioError, Promise, Reader

__all__ = ["frame_at", "read_mpeg", "tag_bytes"]

# Bit rates in kbit/s by index, for MPEG 1 (layers 1 to 3) and MPEG 2 and 2.5 (layer 1; layers 2 and 3).
_RATES_1 = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_RATES_2 = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_SAMPLE_RATES = (44100, 48000, 32000)
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")
_KINDS = (b"Xing", b"Info")
# Bytes of a complete counting frame, with its table of places and encoder's name; decoders ignore smaller ones.
_INFO_BYTES = 156


def tag_bytes(read: Reader, place: int) -> int:
    """Bytes of the ID3v2 tag at a place, 0 if there is none."""
    header = read(place, 10)
    if header[:3] != b"ID3" or len(header) < 10 or any(byte & 0x80 for byte in header[6:]):
        return 0
    size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
    return 10 + size + (10 if header[5] & 0x10 else 0)


def frame_at(header: bytes) -> tuple[int, int, int, int] | None:
    """Bytes, samples, layer and bytes of side information of the frame with a header, or None.

    >>> frame_at(bytes.fromhex("fff338c4"))
    (108, 576, 3, 9)
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate_index, sample_rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or rate_index in (0, 15) or sample_rate_index == 3:
        return None
    first = version == 3
    rate = 1000 * (_RATES_1[layer - 1] if first else _RATES_2[layer > 1])[rate_index]
    sample_rate = _SAMPLE_RATES[sample_rate_index] >> (0 if first else 1 if version == 2 else 2)
    mono = header[3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    if layer == 1:
        return (12 * rate // sample_rate + padding) * 4, 384, 1, side
    samples = 1152 if layer == 2 or first else 576
    return samples // 8 * rate // sample_rate + padding, samples, layer, side


def read_mpeg(read: Reader, start: int = 0) -> Promise | None:
    """Promise of an MPEG audio file: as many frames as the first one says, the last one complete.

    Args:
        read: reader of the file.
        start: place of the first frame, after tags.

    Raises:
        DamagedAudioError: the file has fewer or more frames, the last one is incomplete, or other bytes lie between.
    """
    found = frame_at(read(start, 4))
    if found is None:
        return None
    frame_bytes, samples, _, side = found
    following = read(start + frame_bytes, 4)
    if following and frame_at(following) is None and not _is_tag(read, start + frame_bytes):
        return None  # two bytes that look like a frame by chance
    counts = _counts(read, start, side)
    first = start + frame_bytes if counts is not None else start
    num_frames, end = _walk(read, first)
    promised, promised_bytes = counts or (None, None)
    if promised is not None:
        whole = promised_bytes is not None and end - start >= promised_bytes
        if num_frames < promised and not whole:
            why = f"its header promises {promised} frames, but it holds {num_frames}"
            raise DamagedAudioError(f"is cut short: {why}; copy it again")
        if num_frames > promised + 1:
            why = f"its header promises {promised} frames, but it holds {num_frames}"
            raise DamagedAudioError(
                f"has more frames than it says ({why}): several files joined? Split it, or join their samples"
            )
        return Promise("MPEG", None, end)
    if counts is None and end - start < num_frames * (frame_bytes - 1):
        # The library would estimate the length from the first frame's bit rate, and stop early if later ones are lower.
        return Promise("MPEG", None, end, prefix=_counting_frame(read(start, 4), num_frames, side), first=start)
    return Promise("MPEG", num_frames * samples if counts is None else None, end)


def _walk(read: Reader, place: int) -> tuple[int, int]:
    """Number of frames from a place on, and the place after the last one."""
    num_frames = 0
    while place < read.size:
        header = read(place, 4)
        found = frame_at(header)
        if found is None:
            _refuse_what_follows(read, place)
            break
        frame_bytes, _, _, side = found
        if place + frame_bytes > read.size:
            why = f"its last frame has {read.size - place} of {frame_bytes} bytes"
            raise DamagedAudioError(f"is cut short: {why}; copy it again")
        if read(place + 4 + side, 4) in _KINDS:
            raise DamagedAudioError("is several MP3 files joined; split it, or join their samples")
        num_frames += 1
        place += frame_bytes
    return num_frames, place


def _refuse_what_follows(read: Reader, place: int) -> None:
    """Refuse other bytes between frames; tags and padding at the end are allowed."""
    after = place
    while step := tag_bytes(read, after) or _end_tag_bytes(read, after):
        after += step
    content = read(after, 1 << 16)
    for at in range(len(content) - 4):
        if content[at] == 0xFF and _frames_follow(read, after + at):
            if after > place:
                raise DamagedAudioError("is several MP3 files joined; split it, or join their samples")
            raise DamagedAudioError(f"is damaged: bytes {place} to {after + at} are not an MPEG frame; copy it again")


def _frames_follow(read: Reader, place: int) -> bool:
    """Return True if three frames follow each other: other bytes do not look like that by chance."""
    for _ in range(3):
        found = frame_at(read(place, 4))
        if found is None:
            return False
        place += found[0]
    return True


def _end_tag_bytes(read: Reader, place: int) -> int:
    """Bytes of a tag that ends a file (ID3v1, APE), 0 if there is none."""
    head = read(place, 16)
    if head.startswith(b"TAG"):
        return 128
    return 32 + int.from_bytes(head[12:16], "little") if head.startswith(b"APETAGEX") else 0


def _is_tag(read: Reader, place: int) -> bool:
    return read(place, 11).startswith(_TAGS) or tag_bytes(read, place) > 0


def _counts(read: Reader, start: int, side: int) -> tuple[int | None, int | None] | None:
    """Numbers of frames and bytes in a counting frame (Xing, Info, VBRI); None for an ordinary frame."""
    place = start + 4 + side
    if read(place, 4) in _KINDS:
        flags = read.number(place + 4, 4, ">")
        frames = read.number(place + 8, 4, ">") if flags & 1 else None
        num_bytes = read.number(place + (12 if flags & 1 else 8), 4, ">") if flags & 2 else None
        return frames or None, num_bytes or None
    if read(start + 36, 4) == b"VBRI":
        return read.number(start + 50, 4, ">") or None, read.number(start + 46, 4, ">") or None
    return None


def _counting_frame(header: bytes, num_frames: int, side: int) -> bytes:
    """Make a counting frame without samples that gives the number of the following frames."""
    for rate_index in range(1, 15):
        own = bytes((header[0], header[1] | 1, rate_index << 4 | header[2] & 0x0C, header[3]))
        found = frame_at(own)
        if found is not None and found[0] >= 4 + side + _INFO_BYTES:
            return (own + bytes(side) + b"Info" + (1).to_bytes(4, "big") + num_frames.to_bytes(4, "big")).ljust(
                found[0], b"\0"
            )
    return b""
