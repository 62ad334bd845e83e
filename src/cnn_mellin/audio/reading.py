"""Reading and writing audio files, with the checks that the audio library leaves to its users."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from cnn_mellin.audio.audio_file import AudioFile, open_audio
from cnn_mellin.audio.containers.sphere import SPHERE_MAGIC
from cnn_mellin.errors import AudioError

__all__ = ["count_samples", "read_audio", "read_samples", "require_channels", "require_sample_rate", "write_sphere"]

_FULL_SCALE = 32768.0
_TOLERATED_S = 0.1  # a segment may end this much past its recording, as Kaldi's rounded times do
_COMPARED = ("HTK",)  # formats whose length the audio library checks itself
_BLOCK = 1 << 22  # samples decoded at once
_FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
_LOUDEST_FLOAT = 16.0  # 24 dB above full scale: mixed signals stay below, speech in units of integers lies far above


def read_audio(
    path: str | Path,
    *,
    sample_rate_hz: int = 16000,
    start_s: float = 0.0,
    end_s: float | None = None,
    mix_down: bool = False,
) -> NDArray[np.float32]:
    """Read a mono audio file (NIST SPHERE, RIFF, FLAC and every other format of libsndfile, recognised by content).

    The file must have the length that its header promises. If the header says "unknown", as programs write to a pipe,
    the file is read to its end.

    Args:
        path: path of the file; its extension does not matter.
        sample_rate_hz: sample rate that the file must have.
        start_s, end_s: span to read, in seconds. An end of None is the end of the file; an end up to 0.1 s past it is
            moved to it.
        mix_down: average several channels instead of refusing them.

    Returns:
        Samples (S,) in the units of 16-bit integers: full scale is 32768.

    Raises:
        AudioError: the file does not exist; is a pipe or device, empty, not audio, truncated, several files joined, or
            compressed with shorten; has another sample rate or several channels; ends before `end_s`; or holds a NaN or
            float samples that are not fractions of full scale.

    Warns:
        UserWarning: bytes after the samples were not read, or the header does not give a length.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sphere(folder + "/a.wav", [0, 100, -100], 16000)
    ...     read_audio(folder + "/a.wav").tolist()
    [0.0, 100.0, -100.0]
    """
    with open_audio(path) as audio:
        require_sample_rate(path, audio, sample_rate_hz)
        if not mix_down:
            require_channels(path, audio)
        return read_samples(path, audio, start_s=start_s, end_s=end_s)


def require_sample_rate(path: str | Path, audio: AudioFile, sample_rate_hz: int) -> None:
    """Raise an AudioError if an open audio file has another sample rate."""
    rate = audio.sound.samplerate
    if rate != sample_rate_hz:
        raise AudioError(path, f"sample rate is {rate} Hz; expected {sample_rate_hz} Hz; resample the file")


def require_channels(path: str | Path, audio: AudioFile) -> None:
    """Raise an AudioError if an open audio file has several channels."""
    channels = audio.sound.channels
    if channels != 1:
        raise AudioError(path, f"has {channels} channels, but must have one; extract one, or mix them down")


def count_samples(path: str | Path, *, sample_rate_hz: int = 16000, resample: bool = False) -> int:
    """Number of samples per channel of an audio file, from its header and size.

    Args:
        path: path of the file.
        sample_rate_hz: sample rate that the file must have.
        resample: also accept other sample rates, and count the samples that resampling gives, to the nearest.

    Raises:
        AudioError: as for `read_audio`, as far as header and size show.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sphere(folder + "/a.wav", [0, 100, -100], 16000)
    ...     count_samples(folder + "/a.wav")
    3
    """
    with open_audio(path) as audio:
        if not resample:
            require_sample_rate(path, audio, sample_rate_hz)
        return round(audio.num_samples * sample_rate_hz / int(audio.sound.samplerate))


def read_samples(
    path: str | Path, audio: AudioFile, *, start_s: float = 0.0, end_s: float | None = None, channel: int | None = None
) -> NDArray[np.float32]:
    """Read an open audio file, one channel of it or several mixed down.

    Args:
        path: name of the file, for messages.
        audio: the open file.
        start_s, end_s: span to read, in seconds; an end of None is the end of the file.
        channel: channel to read, counted from 1; None averages all channels.

    Returns:
        Samples (S,), full scale 32768.

    Raises:
        AudioError: as for `read_audio`.
    """
    first, count = _span(path, audio.num_samples, audio.sound.samplerate, start_s, end_s)
    _warn_of_unread_bytes(path, audio)
    samples = _decoded(path, audio, first, count, channel)
    if not np.isfinite(samples).all():
        raise AudioError(
            path, f"sample {int(np.argmin(np.isfinite(samples)))} is NaN or infinite; write the file again"
        )
    samples *= np.float32(_FULL_SCALE)
    return samples


def write_sphere(path: str | Path, samples: ArrayLike, sample_rate_hz: int) -> None:
    """Write mono 16-bit samples as NIST SPHERE; equal samples give equal bytes.

    Args:
        path: path of the file.
        samples: samples (S,), whole numbers in -32768..32767.
        sample_rate_hz: sample rate in Hz.

    Raises:
        ValueError: samples has another shape or other values; nothing is written.
    """
    values = np.asarray(samples)
    whole = values.ndim == 1 and np.array_equal(values, np.round(values))  # NaN is not equal to itself
    if not whole or (len(values) and (values.min() < -_FULL_SCALE or values.max() >= _FULL_SCALE)):
        raise ValueError(f"samples has shape {values.shape}; it must be one axis of whole numbers in -32768..32767")
    fields = (
        f"channel_count -i 1\nsample_count -i {len(values)}\nsample_rate -i {sample_rate_hz}\n"
        "sample_n_bytes -i 2\nsample_byte_format -s2 01\nsample_sig_bits -i 16\nsample_coding -s3 pcm\nend_head\n"
    )
    header = SPHERE_MAGIC + b"   1024\n" + fields.encode()
    Path(path).write_bytes(header.ljust(1024) + values.astype("<i2").tobytes())


def _span(path: str | Path, num_samples: int, rate: int, start_s: float, end_s: float | None) -> tuple[int, int]:
    """First sample of a span, and its number of samples."""
    if num_samples < 1:
        raise AudioError(path, "holds no samples; copy it again, or leave it out")
    first = round(start_s * rate)
    end = num_samples if end_s is None else round(end_s * rate)
    span = f"{start_s:g} to {num_samples / rate if end_s is None else end_s:g} s"
    if first >= num_samples or end > num_samples + _TOLERATED_S * rate:
        raise AudioError(path, f"lasts {num_samples / rate:.3f} s, but the segment is {span}; mend the segment")
    if end <= first:
        why = f"the segment {span} is shorter than one sample at {rate} Hz; mend the segment, or leave it out"
        raise AudioError(path, why)
    return first, min(end, num_samples) - first


def _decoded(path: str | Path, audio: AudioFile, first: int, count: int, channel: int | None) -> NDArray[np.float32]:
    """Decode samples in units of full scale, block by block, so that a wrong header cannot allocate too much memory."""
    sound = audio.sound
    block = max(_BLOCK // sound.channels, 1)
    blocks: list[NDArray[np.float32]] = []
    skipped, num_read = 0, 0
    try:
        if first and sound.seekable():
            skipped = sound.seek(first)
        while skipped < first and (dropped := len(sound.read(min(block, first - skipped)))):
            skipped += dropped
        while num_read < count and len(samples := sound.read(min(block, count - num_read), dtype="float32")):
            num_read += len(samples)
            if sound.subtype in _FLOAT_SUBTYPES:
                _refuse_integer_units(path, samples)
            if samples.ndim > 1:
                samples = samples.mean(axis=1) if channel is None else samples[:, channel - 1].copy()
            blocks.append(samples)
    except soundfile.LibsndfileError as error:
        why = error.error_string.strip(" .")
        remedy = "copy it again, or write it as WAV or FLAC"
        raise AudioError(
            path, f"is damaged, cut short or in an encoding that cannot be decoded ({why}); {remedy}"
        ) from None
    if num_read < count:
        found = f"its header promises {audio.num_samples} samples, but {skipped + num_read} can be read"
        raise AudioError(path, f"is damaged or cut short: {found}; copy it again")
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _refuse_integer_units(path: str | Path, samples: NDArray[np.float32]) -> None:
    """Refuse float samples that were not divided by the full scale of integers."""
    finite = samples[np.isfinite(samples)]
    peak = float(np.abs(finite).max(initial=0.0))
    if peak > _LOUDEST_FLOAT or (peak > 1 and np.array_equal(finite, np.round(finite))):
        why = f"float samples reach {peak:g}, but full scale is 1: they seem to be integers"
        raise AudioError(path, f"{why}; divide them by 32768 (16 bits), or write the file as 16-bit PCM")


def _warn_of_unread_bytes(path: str | Path, audio: AudioFile) -> None:
    if audio.sound.format not in _COMPARED and (audio.promise is None or not audio.promise.tells_length):
        warnings.warn(
            f"{path}: {audio.sound.format} files do not give their length, so that truncation is not noticed; "
            "convert it to WAV or FLAC",
            stacklevel=4,
        )
    elif audio.num_left_over:
        warnings.warn(
            f"{path}: {audio.num_left_over} bytes after its {audio.num_samples} samples are not read", stacklevel=4
        )
