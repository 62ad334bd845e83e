"""Interface of the filter banks, and their weights on a spectrum."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["SUPPORT_THRESHOLD", "Bank", "spectrum_weights"]

# Magnitude below which a response is treated as zero, in time and in frequency.
SUPPORT_THRESHOLD = 5e-4


class Bank(Protocol):
    """Bank of filters, in order of rising frequency.

    Attributes:
        is_real: True if impulse responses are real; each frequency then also represents its negative.
        is_zero_phase: True if impulse responses are centered on sample 0.
        supports: first and last sample of each impulse response.
        supports_hz: lowest and highest frequency of each filter.
    """

    is_real: bool
    is_zero_phase: bool
    supports: list[tuple[int, int]]
    supports_hz: list[tuple[float, float]]

    def impulse_response(self, index: int, width: int) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Impulse response (width,) of a filter: sample 0 first, negative samples at the end, aliased if longer."""

    def truncated_response(self, index: int, width: int) -> tuple[int, NDArray[np.float64]]:
        """First bin and magnitudes of a filter's support in a transform of `width` points."""


def spectrum_weights(bank: Bank, transform_size: int, *, power: bool) -> NDArray[np.float64]:
    """Weights of the magnitudes (or powers) of a real signal's half spectrum in each filter.

    A filter may reach past either end of the half spectrum, where bins mirror those inside. As in pydrobert-speech
    0.3.0, whose features this reproduces, the mirror starts at the last bin itself if the half spectrum has an odd
    number of bins (as for every power of two), else at the bin before it.

    Args:
        bank: filters.
        transform_size: number of points of the transform.
        power: weights of powers instead of magnitudes.

    Returns:
        Weights (transform_size // 2 + 1, filters).
    """
    half = transform_size // 2 + 1
    mirrored = half - 2 + half % 2
    weights = np.zeros((half, len(bank.supports)))
    for index in range(len(bank.supports)):
        first, response = bank.truncated_response(index, transform_size)
        places = (first + np.arange(len(response))) % (half + mirrored)
        bins = np.where(places < half, places, mirrored - (places - half))
        np.add.at(weights[:, index], bins, response**2 if power else response)
    return weights * (2 if bank.is_real else 1)
