"""Windows that weight the samples of a frame; each has a sum near 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["window"]

# Name -> shape, and its mean over a long window.
_SYMMETRIC: dict[str, tuple[Callable[[int], NDArray[np.float64]], float]] = {
    "hanning": (np.hanning, 0.5),
    "hamming": (np.hamming, 0.54),
    "blackman": (np.blackman, 0.42),
    "bartlett": (np.bartlett, 0.5),
}


def window(name: str, length: int, *, order: int = 4, peak: float = 0.75) -> NDArray[np.float64]:
    """Make a window.

    Args:
        name: hanning, hamming, blackman or bartlett (symmetric), or gamma (rises slowly and falls fast).
        length: length in samples.
        order: order of the gamma window, >= 1.
        peak: place of the peak of the gamma window, as a fraction of its length in (0, 1).

    Returns:
        Window (length,).

    >>> window("hanning", 5).tolist()
    [0.0, 0.25, 0.5, 0.25, 0.0]
    """
    if name in _SYMMETRIC:
        shape, mean = _SYMMETRIC[name]
        return shape(length) / (mean * max(1, length - 1))
    if length == 1:
        return np.ones(1)
    before_end = np.arange(length - 1, -1, -1, dtype=np.float64)
    # With order 1 the window is an exponential and has no peak: it decays by exp(-5) over its length. Otherwise its
    # last value is zero, as 0 to a positive power is.
    alpha = 5 / length if order == 1 else (order - 1) / (length - peak * length)
    scale = alpha**order / math.factorial(order - 1)
    return before_end ** (order - 1) * np.exp(-alpha * before_end) * scale
