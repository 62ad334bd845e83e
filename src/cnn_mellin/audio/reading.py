"""Audio files in and out, with the checks that the audio library leaves to its users."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike, NDArray

from cnn_mellin.audio.audio_file import AudioFile, open_audio
from cnn_mellin.audio.containers.sphere import SPHERE_MAGIC
from cnn_mellin.errors import AudioError

__all__ = ["count_samples", "read_audio", "read_samples", "write_sphere"]

_FULL_SCALE = 32768.0
_TOLERATED_S = 0.1  # by which a segment may end past its recording, as Kaldi's rounded times do
_COMPARED = ("HTK",)  # formats whose length the audio library compares itself
_BLOCK = 1 << 22  # samples decoded at once
_FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
_LOUDEST_FLOAT = 16.0  # 24 dB above full scale: what mixing leaves stays below, integers of speech lie far above


def read_audio(
    path: str | Path,
    *,
    sample_rate_hz: int = 16000,
    start_s: float = 0.0,
    end_s: float | None = None,
    mix_down: bool = False,
) -> NDArray[np.float32]:
    """Samples of a mono audio file (NIST SPHERE, RIFF, FLAC and whatever else libsndfile knows, by content).

    The length that the file's header promises is compared with what is there; where the header says that it is unknown,
    as programs write to a pipe, the file is read to its end.

    Args:
        path: the file; its extension does not matter.
        sample_rate_hz: the sample rate that it must have.
        start_s, end_s: span to read, in seconds; an end of None is the file's, and one up to 0.1 s past it is cut.
        mix_down: take the mean of several channels instead of refusing them.

    Returns:
        (samples,), in the units of 16-bit integers: full scale is 32768.

    Raises:
        AudioError: there is no such file, it is a pipe or device, empty, garbage, truncated, several files joined,
            compressed with shorten, has another sample rate or several channels, ends before `end_s`, or holds a NaN
            or float samples that are no fractions of full scale.

    Warns:
        UserWarning: bytes after the samples are not read, or the header has no field for the length.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sphere(folder + "/a.wav", [0, 100, -100], 16000)
    ...     read_audio(folder + "/a.wav").tolist()
    [0.0, 100.0, -100.0]
    """
    with open_audio(path) as audio:
        rate, channels = audio.sound.samplerate, audio.sound.channels
        if rate != sample_rate_hz:
            raise AudioError(path, f"sample rate is {rate} Hz; expected {sample_rate_hz} Hz; resample it first")
        if channels != 1 and not mix_down:
            raise AudioError(path, f"has {channels} channels; extract one first")
        return read_samples(path, audio, start_s=start_s, end_s=end_s)


def count_samples(path: str | Path, *, sample_rate_hz: int = 16000) -> int:
    """Number of samples per channel of an audio file, by its header and size.

    Args:
        path: the file.
        sample_rate_hz: the sample rate that it must have.

    Raises:
        AudioError: as `read_audio` raises it, as far as header and size show.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sphere(folder + "/a.wav", [0, 100, -100], 16000)
    ...     count_samples(folder + "/a.wav")
    3
    """
    with open_audio(path) as audio:
        rate = audio.sound.samplerate
        if rate != sample_rate_hz:
            raise AudioError(path, f"sample rate is {rate} Hz; expected {sample_rate_hz} Hz; resample it first")
        return audio.num_samples


def read_samples(
    path: str | Path, audio: AudioFile, *, start_s: float = 0.0, end_s: float | None = None
) -> NDArray[np.float32]:
    """Samples of an open audio file, several channels mixed down.

    Args:
        path: name of the file, for messages.
        audio: the file.
        start_s, end_s: span to read, in seconds; an end of None is the file's.

    Returns:
        (samples,), full scale 32768.

    Raises:
        AudioError: as `read_audio` raises it.
    """
    first, count = _span(path, audio.num_samples, audio.sound.samplerate, start_s, end_s)
    _warn_of_what_is_not_read(path, audio)
    samples = _decoded(path, audio, first, count)
    if not np.isfinite(samples).all():
        raise AudioError(path, f"sample {int(np.argmin(np.isfinite(samples)))} is NaN or infinite")
    samples *= np.float32(_FULL_SCALE)
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
    header = SPHERE_MAGIC + b"   1024\n" + fields.encode()
    Path(path).write_bytes(header.ljust(1024) + values.astype("<i2").tobytes())


def _span(path: str | Path, num_samples: int, rate: int, start_s: float, end_s: float | None) -> tuple[int, int]:
    """First sample of a part of a file, and how many there are."""
    if num_samples < 1:
        raise AudioError(path, "holds no samples")
    first = round(start_s * rate)
    end = num_samples if end_s is None else round(end_s * rate)
    span = f"{start_s:g} to {num_samples / rate if end_s is None else end_s:g} s"
    if first >= num_samples or end > num_samples + _TOLERATED_S * rate:
        raise AudioError(path, f"lasts {num_samples / rate:.3f} s, but {span} is asked for; mend the segment")
    if end <= first:
        why = f"the segment {span} is shorter than a sample at {rate} Hz; mend the segment, or leave it out"
        raise AudioError(path, why)
    return first, min(end, num_samples) - first


def _decoded(path: str | Path, audio: AudioFile, first: int, count: int) -> NDArray[np.float32]:
    """Samples in units of full scale, in blocks, so that a header cannot ask for more memory than the file needs."""
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
            blocks.append(samples if samples.ndim == 1 else samples.mean(axis=1))
    except soundfile.LibsndfileError as error:
        why = error.error_string.strip(" .")
        remedy = "copy it again, or write it as WAV or FLAC"
        raise AudioError(path, f"is damaged, cut short or of a kind that cannot be decoded ({why}); {remedy}") from None
    if num_read < count:
        found = f"its header promises {audio.num_samples} samples, {skipped + num_read} can be read"
        raise AudioError(path, f"is damaged or cut short: {found}; copy it again")
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _refuse_integer_units(path: str | Path, samples: NDArray[np.float32]) -> None:
    """Refuse float samples that were written without dividing by the full scale of integers."""
    finite = samples[np.isfinite(samples)]
    peak = float(np.abs(finite).max(initial=0.0))
    if peak > _LOUDEST_FLOAT or (peak > 1 and np.array_equal(finite, np.round(finite))):
        why = f"float samples reach {peak:g}, but full scale is 1: they seem to be in units of integers"
        raise AudioError(path, f"{why}; divide them by 32768 (16 bits), or write the file as 16-bit PCM")


def _warn_of_what_is_not_read(path: str | Path, audio: AudioFile) -> None:
    if audio.sound.format not in _COMPARED and (audio.promise is None or not audio.promise.tells_length):
        warnings.warn(
            f"{path}: {audio.sound.format} files do not say how long they are, so that a cut would not be noticed; "
            "WAV and FLAC do",
            stacklevel=4,
        )
    elif audio.num_left_over:
        warnings.warn(
            f"{path}: {audio.num_left_over} bytes after its {audio.num_samples} samples are not read", stacklevel=4
        )
