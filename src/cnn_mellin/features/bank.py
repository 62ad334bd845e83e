"""What a bank of filters offers to the computation of frames."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["SUPPORT_THRESHOLD", "Bank", "spectrum_weights"]

# Magnitude below which a response counts as zero, in time and in frequency.
SUPPORT_THRESHOLD = 5e-4


class Bank(Protocol):
    """Filters, lowest frequency first.

    Attributes:
        is_real: responses in time are real; each frequency then stands for its negative, too.
        is_zero_phase: responses in time are centered on sample 0.
        supports: first and last sample of each response in time.
        supports_hz: lowest and highest frequency of each response.
    """

    is_real: bool
    is_zero_phase: bool
    supports: list[tuple[int, int]]
    supports_hz: list[tuple[float, float]]

    def impulse_response(self, index: int, width: int) -> NDArray[np.float64] | NDArray[np.complex128]:
        """(width,): a filter in time, sample 0 first, negative samples at the end, aliased where it is longer."""

    def truncated_response(self, index: int, width: int) -> tuple[int, NDArray[np.float64]]:
        """First bin, and magnitudes from there on, of a filter's support in a transform of `width` points."""


def spectrum_weights(bank: Bank, transform_size: int, *, power: bool) -> NDArray[np.float64]:
    """Weight of each magnitude (or power) of a real signal's half spectrum in each filter's sum.

    A filter may reach past either end of the half spectrum, where bins mirror those inside. As in pydrobert-speech
    0.3.0, whose features this reproduces, the mirror starts on the last bin itself where the half spectrum has an
    odd number of bins (so with every transform of a power of two), and on the one before it elsewhere.

    Returns:
        (transform_size // 2 + 1, filters).
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
