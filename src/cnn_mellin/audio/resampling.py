"""Resampling: with soxr, or with scipy in an environment from before soxr was required."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["resample", "resampler"]

_LONGEST_RATIO = 200_000  # scipy's filter has 20 taps for each step of the ratio; common sample rates have exact ratios


@cache
def resampler() -> str:
    """Name of the package that `resample` uses: soxr or scipy.

    >>> resampler() in ("soxr", "scipy")
    True
    """
    return "scipy" if not importlib.util.find_spec("soxr") and importlib.util.find_spec("scipy") else "soxr"


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Change the sample rate of a signal, with a filter against aliasing; equal sample rates return it unchanged.

    Args:
        samples: signal (S,).
        from_hz, to_hz: its sample rate, and that of the result.

    Returns:
        Signal of about S * to_hz / from_hz samples; packages differ by one sample, and in the last digits.

    >>> resample(np.zeros(800, np.float32), 8000, 16000).shape
    (1600,)
    """
    if from_hz == to_hz:
        return samples
    if resampler() == "soxr":
        import soxr  # rarely needed

        return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"), dtype=np.float32)
    from scipy.signal import resample_poly  # slow to import, and rarely needed

    ratio = Fraction(to_hz, from_hz).limit_denominator(_LONGEST_RATIO)
    resampled: NDArray[np.float32] = resample_poly(samples, ratio.numerator, ratio.denominator).astype(np.float32)
    return resampled
