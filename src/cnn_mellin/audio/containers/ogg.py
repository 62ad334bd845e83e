"""Ogg: pages in order, from the first to the last page of a stream."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_mellin.audio.containers.promise import DamagedAudioError, Promise, Reader

__all__ = ["read_ogg"]

_CONTINUED, _FIRST, _LAST = 1, 2, 4  # bits of a page's header
_AUDIO = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")


@dataclass
class _Stream:
    """State of one stream: the number of its next page, and whether its last page has been read."""

    audio: bool
    next_page: int
    ended: bool


def read_ogg(read: Reader) -> Promise:
    """Promise of an Ogg file: the pages of one audio stream without a gap, up to the page marked as the last.

    Args:
        read: reader of the file.

    Raises:
        DamagedAudioError: a page is missing or incomplete; or the file holds several audio streams, in sequence or in
            parallel.
    """
    streams: dict[int, _Stream] = {}
    place, num_chained, in_data = 0, 0, False
    while place < read.size:
        header = read(place, 27 + 255)
        if header[:4] != b"OggS" or len(header) < 27:
            break
        kind, serial, number, num_segments = header[5], header[14:18], header[18:22], header[26]
        page_bytes = 27 + num_segments + sum(header[27 : 27 + num_segments])
        if place + page_bytes > read.size or len(header) < 27 + num_segments:
            raise DamagedAudioError(
                f"is cut short: its last page has {read.size - place} of {page_bytes} bytes; copy it again"
            )
        key, page = int.from_bytes(serial, "little"), int.from_bytes(number, "little")
        if kind & _FIRST:
            num_chained += in_data
            audio = read(place + 27 + num_segments, 8).startswith(_AUDIO)
            streams[key] = _Stream(audio, page + 1, bool(kind & _LAST))
        elif key not in streams:
            raise DamagedAudioError("is damaged: it does not begin with the first page of its stream; copy it again")
        else:
            stream = streams[key]
            if stream.audio and page != stream.next_page:
                found = f"page {stream.next_page - 1} of its audio is followed by page {page}"
                raise DamagedAudioError(f"is damaged: {found}; copy it again")
            stream.next_page, stream.ended, in_data = page + 1, bool(kind & _LAST), True
        place += page_bytes
    if read.size - place >= 4 and _page_after(read, place):
        raise DamagedAudioError(
            f"is damaged: the bytes from {place} on are not an Ogg page, but pages follow; copy it again"
        )
    if num_chained:
        why = f"is {num_chained + 1} Ogg files joined, of which only the first can be read"
        raise DamagedAudioError(f"{why}; split it, or join their samples")
    audible = [stream for stream in streams.values() if stream.audio]
    if len(audible) > 1:
        raise DamagedAudioError(
            f"holds {len(audible)} audio streams, of which only one can be read; write each to its own file"
        )
    if any(not stream.ended for stream in audible):
        raise DamagedAudioError(
            "is cut short: the page that ends its audio is missing; copy it again, or encode it again"
        )
    return Promise("Ogg", None, place)


def _page_after(read: Reader, place: int) -> bool:
    step = 1 << 20
    return any(b"OggS" in read(start, step + 3) for start in range(place + 1, read.size, step))
