"""Gabor filters: complex exponentials under Gaussian envelopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.features.bank import SUPPORT_THRESHOLD
from cnn_mellin.features.scale import Scale

__all__ = ["GaborBank"]


class GaborBank:
    """Gabor filters whose neighbours cross halfway between them on a scale.

    Args:
        scale: scale on which the filters are equally spaced.
        num_filters: number of filters, K.
        low_hz, high_hz: lower and upper end of the bank.
        sample_rate_hz: sample rate in Hz.
        scale_l2_norm: scale each filter to norm 1, else to a peak gain of 1.
        erb: neighbours cross an equivalent rectangular bandwidth apart, else at -3 dB.

    >>> GaborBank(Scale("mel"), 40, 20, 8000, 16000).supports[0]
    (-190, 190)
    """

    is_real = False
    is_zero_phase = True

    def __init__(
        self,
        scale: Scale,
        num_filters: int,
        low_hz: float,
        high_hz: float,
        sample_rate_hz: float,
        *,
        scale_l2_norm: bool = False,
        erb: bool = False,
    ) -> None:
        edges = np.array(scale.spaced(low_hz, high_hz, num_filters + 1, first=0.5, count=num_filters + 1))
        to_angle = 2 * np.pi / sample_rate_hz
        centers = (edges[:-1] + edges[1:]) / 2
        self._xi = centers * to_angle
        width = np.sqrt(np.pi) / 2 if erb else np.sqrt(0.3 * np.log(10))
        self._sigma = sigma = width / ((centers - edges[:-1]) * to_angle)
        # Logarithms of the largest magnitude in time and in frequency; the support ends where it has fallen to the
        # threshold: exp(-t^2 / (2 sigma^2)) and exp(-sigma^2 (w - xi)^2 / 2).
        if scale_l2_norm:
            self._log_gain = -0.5 * np.log(sigma) - 0.25 * np.log(np.pi)
            self._log_peak = 0.5 * np.log(2 * sigma) + 0.25 * np.log(np.pi)
            # With norm 1, the support in frequency is that of pydrobert-speech 0.3.0, wider by log 2 and log pi.
            square = np.log(sigma) + np.log(2) + 0.5 * np.log(np.pi) - 2 * np.log(SUPPORT_THRESHOLD)
        else:
            self._log_gain = -0.5 * np.log(2 * np.pi) - np.log(sigma)
            self._log_peak = np.zeros(num_filters)
            square = np.full(num_filters, -2 * np.log(SUPPORT_THRESHOLD))
        halves = np.ceil(sigma * np.sqrt(2 * (self._log_gain - np.log(SUPPORT_THRESHOLD))))
        self.supports = [(-int(half), int(half)) for half in halves]
        self._reach = np.sqrt(square) / sigma
        # If even half the threshold is exceeded at all frequencies, aliases matter everywhere.
        self._goes_round = 2 * np.sqrt(square + np.log(2)) / sigma >= 2 * np.pi
        self.supports_hz = [
            (float(xi - reach) / to_angle, float(xi + reach) / to_angle)
            for xi, reach in zip(self._xi, self._reach, strict=True)
        ]

    def impulse_response(self, index: int, width: int) -> NDArray[np.complex128]:
        """Impulse response (width,) of a filter, with its aliases from one width before and after."""
        samples = np.arange(width + 1, dtype=np.float64)
        decay = -(samples**2) / (2 * self._sigma[index] ** 2) + self._log_gain[index]
        values = np.exp(decay + 1j * self._xi[index] * samples)
        response: NDArray[np.complex128] = values[:width].copy()
        response[1:] += values[width - 1 : 0 : -1].conj()
        response[0] += values[width].conj()
        return response

    def truncated_response(self, index: int, width: int) -> tuple[int, NDArray[np.float64]]:
        """First bin and magnitudes of a filter's support in a transform of `width` points."""
        low, high = self._xi[index] - self._reach[index], self._xi[index] + self._reach[index]
        turn = 2 * np.pi
        turns_below, turns_above = int(max(-low, 0) / turn), int(high / turn)
        if self._goes_round[index]:
            first, bins = 0, np.arange(width)
            turns = range(-1 - turns_below, 2 + turns_above)
        else:
            first = int(np.ceil(width * low / turn))
            bins = np.arange(first, int(width * high / turn) + 1)
            turns = range(-turns_below, 1 + turns_above)
        response = np.zeros(len(bins))
        for shift in turns:
            distance = self._xi[index] - (bins / width + shift) * turn
            response += np.exp(-(self._sigma[index] ** 2) / 2 * distance**2 + self._log_peak[index])
        return first % width, response
