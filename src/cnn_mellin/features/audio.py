"""Audio files in and out, with the checks that the audio library leaves to its users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from cnn_mellin.errors import AudioError

__all__ = ["read_audio", "write_sphere"]

_SPHERE_MAGIC = b"NIST_1A\n"
_FULL_SCALE = 32768.0
_TOLERATED_S = 0.1  # by which a segment may end past its recording, as Kaldi's rounded times do


def read_audio(
    path: str | Path,
    *,
    sample_rate_hz: int = 16000,
    start_s: float = 0.0,
    end_s: float | None = None,
    mix_down: bool = False,
) -> NDArray[np.float32]:
    """Samples of a mono audio file (NIST SPHERE, RIFF, FLAC and whatever else libsndfile knows, by content).

    Args:
        path: the file; its extension does not matter.
        sample_rate_hz: the rate that it must have.
        start_s, end_s: read this much of it alone; an end of None is the file's, and one up to 0.1 s past it is cut.
        mix_down: take the mean of several channels instead of refusing them.

    Returns:
        (samples,), in the units of 16-bit integers: full scale is 32768.

    Raises:
        AudioError: there is no such file, it is empty, garbage, truncated or compressed with shorten, has another
            rate or several channels, ends before `end_s`, or holds a NaN.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sphere(folder + "/a.wav", [0, 100, -100], 16000)
    ...     read_audio(folder + "/a.wav").tolist()
    [0.0, 100.0, -100.0]
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(65536)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from None
    if not head:
        raise AudioError(path, "is empty (0 bytes); copy it from the corpus again")
    promised = _sphere_samples(path, head) if head.startswith(_SPHERE_MAGIC) else _riff_samples(path, head)
    try:
        with soundfile.SoundFile(path) as sound:
            rate, channels = sound.samplerate, sound.channels
            if rate != sample_rate_hz:
                raise AudioError(path, f"has {rate} samples a second, not {sample_rate_hz}; resample it first")
            if channels != 1 and not mix_down:
                raise AudioError(path, f"has {channels} channels; extract one first")
            first, count = _span(path, sound.frames, rate, start_s, end_s)
            if first:
                sound.seek(first)
            samples = sound.read(count, dtype="float32") * np.float32(_FULL_SCALE)
    except soundfile.LibsndfileError as error:
        raise AudioError(path, f"is no audio file that can be read ({error.error_string.strip(' .')})") from None
    whole = first == 0 and count == -1
    if whole and promised is not None and promised != len(samples):
        raise AudioError(
            path, f"is cut short: its header promises {promised} samples, {len(samples)} are there; copy it again"
        )
    if channels != 1:
        samples = samples.mean(axis=1)
    if not len(samples):
        raise AudioError(path, "holds no samples")
    if not np.isfinite(samples).all():
        raise AudioError(path, f"sample {int(np.argmin(np.isfinite(samples)))} is NaN or infinite")
    return samples


def write_sphere(path: str | Path, samples: ArrayLike, sample_rate_hz: int) -> None:
    """Write mono 16-bit samples as NIST SPHERE, the same bytes for the same samples.

    Args:
        path: the file.
        samples: (samples,), whole numbers in -32768..32767.
        sample_rate_hz: samples a second.

    Raises:
        ValueError: samples are not that; nothing is written.
    """
    values = np.asarray(samples)
    whole = values.ndim == 1 and np.array_equal(values, np.round(values))  # which NaN is not
    if not whole or (len(values) and (values.min() < -_FULL_SCALE or values.max() >= _FULL_SCALE)):
        raise ValueError(f"samples has shape {values.shape}; it must be one axis of whole numbers in -32768..32767")
    fields = (
        f"channel_count -i 1\nsample_count -i {len(values)}\nsample_rate -i {sample_rate_hz}\n"
        "sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nend_head\n"
    )
    header = _SPHERE_MAGIC + b"   1024\n" + fields.encode()
    Path(path).write_bytes(header.ljust(1024) + values.astype("<i2").tobytes())


def _span(path: Path, num_samples: int, rate: int, start_s: float, end_s: float | None) -> tuple[int, int]:
    """First sample of a part of a file, and how many there are; -1 where it ends with the file."""
    first = round(start_s * rate)
    end = num_samples if end_s is None else round(end_s * rate)
    if first >= num_samples > 0 or end > num_samples + _TOLERATED_S * rate:
        span = f"{start_s:g} to {num_samples / rate if end_s is None else end_s:g} s"
        raise AudioError(path, f"lasts {num_samples / rate:.3f} s, but {span} is asked for; mend the segment")
    return first, -1 if end >= num_samples else end - first


def _sphere_samples(path: Path, head: bytes) -> int | None:
    """The number of samples that a SPHERE header promises, once its body has been found that long."""
    text = head.split(b"end_head", 1)[0].decode("ascii", "replace")
    fields = {line.split()[0]: line.split()[-1] for line in text.splitlines()[2:] if len(line.split()) >= 3}
    try:
        header_bytes = int(head[8:16])
        count = int(fields["sample_count"])
        width = int(fields.get("sample_n_bytes", 2)) * int(fields.get("channel_count", 1))
    except (ValueError, KeyError):
        raise AudioError(path, "is no whole SPHERE file: its header lacks its size or sample_count") from None
    if "shorten" in fields.get("sample_coding", "") or head[header_bytes : header_bytes + 4] == b"ajkg":
        raise AudioError(path, "is compressed with shorten; decompress it first (sph2pipe -f wav IN OUT)")
    body = path.stat().st_size - header_bytes
    if body < count * width:
        found = max(body, 0) // width
        raise AudioError(path, f"is cut short: its header promises {count} samples, {found} are there; copy it again")
    return count


def _riff_samples(path: Path, head: bytes) -> int | None:
    """The number of samples that a RIFF header promises, or None for other files and where it does not say."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    place, width = 12, 0
    while place + 8 <= len(head):
        name, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 8], "little")
        if name == b"fmt ":
            width = int.from_bytes(head[place + 20 : place + 22], "little")
        if name == b"data":
            streamed = size in (0, 0xFFFFFFFF)  # written by a program that could not go back to fill it in
            if not streamed and width and place + 8 + size > path.stat().st_size:
                there = (path.stat().st_size - place - 8) // width
                raise AudioError(
                    path, f"is cut short: its header promises {size // width} samples, {there} are there; copy it again"
                )
            return None
        place += 8 + size + size % 2
    return None
