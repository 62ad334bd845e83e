"""Recordings as they come: any rate and any number of channels, made into what features are computed from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.audio.reading import read_samples
from cnn_mellin.errors import AudioError

__all__ = ["read_recording"]

_LEAST_HZ, _MOST_HZ = 1000, 768_000  # outside, it is the header that is wrong
_LONGEST_RATIO = 200_000  # the filter has 20 taps for each step of the ratio; common sample rates have exact ratios


def read_recording(path: str | Path, *, sample_rate_hz: int = 16000) -> tuple[NDArray[np.float32], list[str]]:
    """Samples of an audio file of any rate, several channels mixed down.

    Args:
        path: the file, of any kind that `read_audio` knows.
        sample_rate_hz: the rate wanted; others are resampled (polyphase, with a filter against aliases).

    Returns:
        (samples,), full scale 32768; and what was done to them, a phrase each.

    Raises:
        AudioError: as `read_audio` raises it, or a sample rate outside 1000..768000 Hz.

    >>> import tempfile
    >>> import soundfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(folder + "/a.wav", np.zeros((800, 2)), 8000)
    ...     samples, changes = read_recording(folder + "/a.wav")
    >>> len(samples), changes
    (1600, ['2 channels mixed down', 'resampled from 8000 to 16000 Hz'])
    """
    with open_audio(path) as audio:
        rate, channels = audio.sound.samplerate, audio.sound.channels
        if not _LEAST_HZ <= rate <= _MOST_HZ:
            why = f"sample rate is {rate} Hz; expected {_LEAST_HZ} to {_MOST_HZ} Hz; mend its header, or record it anew"
            raise AudioError(path, why)
        samples = read_samples(path, audio)
    changes = [f"{channels} channels mixed down"] if channels > 1 else []
    if rate != sample_rate_hz:
        changes.append(f"resampled from {rate} to {sample_rate_hz} Hz")
        samples = _resampled(samples, rate, sample_rate_hz)
    return samples, changes


def _resampled(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    from scipy.signal import resample_poly

    ratio = Fraction(to_hz, from_hz).limit_denominator(_LONGEST_RATIO)
    resampled: NDArray[np.float32] = resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)
    return resampled
