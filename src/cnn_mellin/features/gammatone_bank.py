"""Gammatone filters: complex exponentials under envelopes t^(n - 1) exp(-alpha t)."""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.features.bank import SUPPORT_THRESHOLD
from cnn_mellin.features.scale import Scale

__all__ = ["GammatoneBank"]


class GammatoneBank:
    """Complex gammatone filters with bandwidths from crossings halfway between neighbours on a scale.

    Args:
        scale: scale on which the filters are equally spaced.
        num_filters: number of filters, K.
        low_hz, high_hz: lower and upper end of the bank.
        sample_rate_hz: sample rate in Hz.
        order: order of the filters, n >= 1.
        max_centered: put the peak of the envelope at sample 0, else its onset.
        scale_l2_norm: scale as pydrobert-speech 0.3.0 does here (norms are far from 1 if alpha is small), else to a
            peak gain of 1.
        erb: use equivalent rectangular bandwidths, else -3 dB bandwidths.

    Raises:
        ValueError: a filter is so weak that its support is empty.

    >>> GammatoneBank(Scale("mel"), 40, 20, 8000, 16000).supports[0][0]
    0
    """

    is_real = False
    is_zero_phase = False

    def __init__(
        self,
        scale: Scale,
        num_filters: int,
        low_hz: float,
        high_hz: float,
        sample_rate_hz: float,
        *,
        order: int = 4,
        max_centered: bool = False,
        scale_l2_norm: bool = False,
        erb: bool = False,
    ) -> None:
        self._order = order
        edges = np.array(scale.spaced(low_hz, high_hz, num_filters + 1, first=0.5, count=num_filters + 1))
        to_angle = 2 * np.pi / sample_rate_hz
        self._xi = (edges[:-1] + edges[1:]) / 2 * to_angle
        bandwidths = (edges[1:] - edges[:-1]) * to_angle
        if erb:
            self._alpha = bandwidths * 2 ** (2 * order - 1) * factorial(order - 1) ** 2 / factorial(2 * order - 2)
        else:
            self._alpha = bandwidths / np.sqrt(4 * 2 ** (1 / order) - 4)
        log_alpha, log_factorial = np.log(self._alpha), np.log(factorial(order - 1))
        if scale_l2_norm:
            log_norm = 0.5 * (np.log(2) + log_alpha + np.log(factorial(2 * order - 2)))
            self._log_c = log_norm - order * (log_alpha + np.log(2))
        else:
            self._log_c = order * log_alpha - log_factorial
        self._offset = -(order - 1) / self._alpha if max_centered else np.zeros(num_filters)
        # |H| = c (n - 1)! / (alpha^2 + (w - xi)^2)^(n / 2), set to the threshold.
        log_square = 2 / order * (self._log_c + log_factorial - np.log(SUPPORT_THRESHOLD))
        reach_squared = np.exp(log_square) - self._alpha**2
        if reach_squared.min() < 0:
            weak = int(np.argmin(reach_squared))
            remedy = "turn off scale_l2_norm or erb, or use more filters"
            raise ValueError(f"filter {weak} nowhere reaches {SUPPORT_THRESHOLD:g}; {remedy}")
        self._reach = np.sqrt(reach_squared)
        twice = np.sqrt(np.exp(log_square + 2 / order * np.log(2)) - self._alpha**2)
        self._goes_round = 2 * self._reach + 2 * twice >= 2 * np.pi
        self.supports = [self._support(index) for index in range(num_filters)]
        self.supports_hz = [
            (float(xi - reach) / to_angle, float(xi + reach) / to_angle)
            for xi, reach in zip(self._xi, self._reach, strict=True)
        ]

    def impulse_response(self, index: int, width: int) -> NDArray[np.complex128]:
        """Impulse response (width,) of a filter, with its aliases."""
        first, last = self.supports[index]
        periods = range(int(np.floor(first / width)), int(np.ceil(last / width)) + 1)
        samples = np.arange(periods[0] * width, (periods[-1] + 1) * width, dtype=np.float64)
        response: NDArray[np.complex128] = self._in_time(index, samples).reshape(len(periods), width).sum(0)
        return response

    def truncated_response(self, index: int, width: int) -> tuple[int, NDArray[np.float64]]:
        """First bin and magnitudes of a filter's support in a transform of `width` points."""
        low, high = self._xi[index] - self._reach[index], self._xi[index] + self._reach[index]
        turn = 2 * np.pi
        if self._goes_round[index]:
            omega = np.arange(width) * turn / width
            turns = range(int(np.floor(low / 2 / np.pi)), int(np.ceil(high / turn)) + 1)
            return 0, np.abs(sum(self._in_frequency(index, omega + turn * shift) for shift in turns))
        first = int(np.ceil(width * low / turn))
        omega = np.arange(first, int(width * high / turn) + 1) * turn / width
        return first % width, np.abs(self._in_frequency(index, omega))

    def _in_time(self, index: int, samples: NDArray[np.float64]) -> NDArray[np.complex128]:
        since = samples - self._offset[index]
        logarithm = self._log_c[index] + (self._order - 1) * np.log(np.where(since > 0, since, 1.0))
        values = np.exp(logarithm + (-self._alpha[index] + 1j * self._xi[index]) * np.maximum(since, 0))
        return np.where(since > 0, values, 0)

    def _in_frequency(self, index: int, omega: NDArray[np.float64]) -> NDArray[np.complex128]:
        below: NDArray[np.complex128] = (self._alpha[index] + 1j * (omega - self._xi[index])) ** self._order
        gain = np.exp(self._log_c[index]) * factorial(self._order - 1)
        response: NDArray[np.complex128] = np.exp(-1j * omega * self._offset[index]) * gain / below
        return response

    def _support(self, index: int) -> tuple[int, int]:
        """First and last sample, computed as in pydrobert-speech 0.3.0, because lengths and features depend on them.

        Newton's method moves right from a point past the peak until the envelope is below the threshold, with the slope
        of the envelope without the offset.
        """
        alpha, c, offset, order = self._alpha[index], np.exp(self._log_c[index]), self._offset[index], self._order
        if order == 1:
            right = np.ceil(self._log_c[index] - np.log(SUPPORT_THRESHOLD) / alpha)
        else:
            right = (order - 1 + np.sqrt((order - 1) / 2)) / alpha
            height = np.abs(self._in_time(index, np.array(right)))
            while height > SUPPORT_THRESHOLD:
                slope = c * np.exp(-alpha * right) * right ** (order - 2) * (order - 1 - alpha * right)
                right -= height / slope
                height = np.abs(self._in_time(index, np.array(right)))
        return int(np.floor(offset)), int(np.ceil(right) + offset)
