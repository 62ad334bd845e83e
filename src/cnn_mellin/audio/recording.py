"""Reading recordings of any sample rate and number of channels, resampled and mixed down for feature extraction."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.audio.reading import read_samples
from cnn_mellin.errors import AudioError

__all__ = ["read_recording"]

_LEAST_HZ, _MOST_HZ = 1000, 768_000  # outside this range, the header is wrong
_LONGEST_RATIO = 200_000  # the filter has 20 taps for each step of the ratio; common sample rates have exact ratios


def read_recording(path: str | Path, *, sample_rate_hz: int = 16000) -> tuple[NDArray[np.float32], list[str]]:
    """Read an audio file of any sample rate; several channels are mixed down.

    Args:
        path: path of the file, in any format of `read_audio`.
        sample_rate_hz: sample rate of the result; other files are resampled (polyphase, with an anti-aliasing filter).

    Returns:
        Samples (S,), full scale 32768; and a list of phrases, one for each change that was made.

    Raises:
        AudioError: as for `read_audio`, or the sample rate lies outside 1000..768000 Hz.

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
            rule = f"expected {_LEAST_HZ} to {_MOST_HZ} Hz"
            raise AudioError(path, f"sample rate is {rate} Hz; {rule}; correct its header, or record it again")
        samples = read_samples(path, audio)
    changes = [f"{channels} channels mixed down"] if channels > 1 else []
    if rate != sample_rate_hz:
        changes.append(f"resampled from {rate} to {sample_rate_hz} Hz")
        samples = _resampled(samples, rate, sample_rate_hz)
    return samples, changes


def _resampled(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    from scipy.signal import resample_poly  # slow to import, and rarely needed

    ratio = Fraction(to_hz, from_hz).limit_denominator(_LONGEST_RATIO)
    resampled: NDArray[np.float32] = resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)
    return resampled
