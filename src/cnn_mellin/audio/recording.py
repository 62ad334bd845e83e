"""Recordings of any sample rate and number of channels, converted to mono at the sample rate of the features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.audio.reading import read_samples, require_channels, require_sample_rate
from cnn_mellin.audio.resampling import resample, resampler
from cnn_mellin.errors import AudioError, SettingsError

__all__ = ["Conversion", "Recording", "read_mono", "read_recording"]

_LEAST_HZ, _MOST_HZ = 1000, 768_000  # outside this range, the header is wrong


@dataclass(frozen=True)
class Conversion:
    """Changes that a recording may undergo; those that are not allowed are errors that name the file.

    Args:
        resample: resample recordings of another sample rate.
        mix_down: average the channels of a recording that has several.
        channel: channel to take, counted from 1, instead of mixing; recordings with fewer channels are errors.

    Raises:
        SettingsError: `channel` is below 1, or given together with `mix_down`.

    >>> Conversion(resample=True).allowed["resample"] in ("soxr", "scipy")
    True
    """

    resample: bool = False
    mix_down: bool = False
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.channel is not None and self.channel < 1:
            raise SettingsError(f"channel {self.channel}: must be at least 1, the first channel")
        if self.channel is not None and self.mix_down:
            raise SettingsError(f"channel {self.channel}: cannot be taken and mixed down; choose one of them")

    @property
    def allowed(self) -> dict[str, Any]:
        """Changes that are allowed, with the package that resamples; empty if there are none."""
        return {
            **({"resample": resampler()} if self.resample else {}),
            **({"mix_down": True} if self.mix_down else {}),
            **({"channel": self.channel} if self.channel is not None else {}),
        }


@dataclass(frozen=True)
class Recording:
    """One channel of a recording, at its own sample rate.

    Args:
        samples: (S,), full scale 32768.
        sample_rate_hz: sample rate of the file.
        num_channels: number of channels of the file.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    num_channels: int

    def resampled(self, sample_rate_hz: int, *, speed: float = 1.0) -> NDArray[np.float32]:
        """Samples at a sample rate, of the recording played that many times faster, with its pitch."""
        return resample(self.samples, round(self.sample_rate_hz * speed), sample_rate_hz)


def read_mono(
    path: str | Path,
    *,
    sample_rate_hz: int = 16000,
    start_s: float = 0.0,
    end_s: float | None = None,
    conversion: Conversion | None = None,
) -> Recording:
    """Read one channel of an audio file, without resampling it.

    Args:
        path: path of the file, in any format of `read_audio`.
        sample_rate_hz: sample rate that is wanted in the end.
        start_s, end_s: span to read, as for `read_audio`.
        conversion: changes that are allowed; by default none.

    Raises:
        AudioError: as for `read_audio`; the file needs a change that is not allowed, has fewer channels than the one to
            take, or its sample rate lies outside 1000..768000 Hz.
    """
    conversion = conversion or Conversion()
    with open_audio(path) as audio:
        rate, channels = audio.sound.samplerate, audio.sound.channels
        if not conversion.resample:
            require_sample_rate(path, audio, sample_rate_hz)
        elif not _LEAST_HZ <= rate <= _MOST_HZ:
            rule = f"expected {_LEAST_HZ} to {_MOST_HZ} Hz"
            raise AudioError(path, f"sample rate is {rate} Hz; {rule}; correct its header, or record it again")
        if conversion.channel is None and not conversion.mix_down:
            require_channels(path, audio)
        elif conversion.channel is not None and conversion.channel > channels:
            wanted = f"but channel {conversion.channel} is wanted"
            raise AudioError(path, f"has {channels} channel{'s' if channels > 1 else ''}, {wanted}; name another one")
        samples = read_samples(path, audio, start_s=start_s, end_s=end_s, channel=conversion.channel)
    return Recording(samples, rate, channels)


def read_recording(path: str | Path, *, sample_rate_hz: int = 16000) -> tuple[NDArray[np.float32], list[str]]:
    """Read an audio file of any sample rate; several channels are mixed down.

    Args:
        path: path of the file, in any format of `read_audio`.
        sample_rate_hz: sample rate of the result; other files are resampled, with an anti-aliasing filter.

    Returns:
        Samples (S,), full scale 32768; and a list of phrases, one for each change that was made.

    Raises:
        AudioError: as for `read_audio`, or the sample rate lies outside 1000..768000 Hz.

    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(folder + "/a.wav", np.zeros((800, 2)), 8000)
    ...     samples, changes = read_recording(folder + "/a.wav")
    >>> len(samples), changes[0], changes[1].partition(" with ")[0]
    (1600, '2 channels mixed down', 'resampled from 8000 to 16000 Hz')
    """
    everything = Conversion(resample=True, mix_down=True)
    recording = read_mono(path, sample_rate_hz=sample_rate_hz, conversion=everything)
    rate, channels = recording.sample_rate_hz, recording.num_channels
    changes = [f"{channels} channels mixed down"] if channels > 1 else []
    if rate != sample_rate_hz:
        changes.append(f"resampled from {rate} to {sample_rate_hz} Hz with {resampler()}")
    return recording.resampled(sample_rate_hz), changes
