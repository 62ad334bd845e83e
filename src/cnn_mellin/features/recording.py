"""Recordings as they come: any rate and any number of channels, made into what features are computed from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from cnn_mellin.errors import AudioError
from cnn_mellin.features.audio import read_audio

__all__ = ["read_recording"]


def read_recording(path: str | Path, *, sample_rate_hz: int = 16000) -> tuple[NDArray[np.float32], list[str]]:
    """Samples of an audio file of any rate, several channels mixed down.

    Args:
        path: the file, of any kind that `read_audio` knows.
        sample_rate_hz: the rate wanted; others are resampled (polyphase, with a filter against aliases).

    Returns:
        (samples,), full scale 32768; and what was done to them, a phrase each.

    Raises:
        AudioError: as `read_audio` raises it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(folder + "/a.wav", np.zeros((800, 2)), 8000)
    ...     samples, changes = read_recording(folder + "/a.wav")
    >>> len(samples), changes
    (1600, ['2 channels mixed down', 'resampled from 8000 to 16000 Hz'])
    """
    path = Path(path)
    rate, channels = sample_rate_hz, 1
    try:
        about = soundfile.info(path)
        rate, channels = int(about.samplerate), int(about.channels)
    except (soundfile.LibsndfileError, OSError):
        pass  # the reader says why
    if rate < 1:
        raise AudioError(path, f"has {rate} samples a second; copy it again")
    samples = read_audio(path, sample_rate_hz=rate, mix_down=True)
    changes = [f"{channels} channels mixed down"] if channels > 1 else []
    if rate != sample_rate_hz:
        changes.append(f"resampled from {rate} to {sample_rate_hz} Hz")
        samples = _resampled(samples, rate, sample_rate_hz)
    return samples, changes


def _resampled(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    from scipy.signal import resample_poly

    divisor = math.gcd(from_hz, to_hz)
    resampled: NDArray[np.float32] = resample_poly(samples, to_hz // divisor, from_hz // divisor).astype(np.float32)
    return resampled
