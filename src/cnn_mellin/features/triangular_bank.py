"""Filters with triangular frequency responses, or the square roots of triangles on a scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.features.bank import SUPPORT_THRESHOLD
from cnn_mellin.features.scale import Scale

__all__ = ["TriangularBank"]


class TriangularBank:
    """Triangular filters, each from the peak of its lower neighbour to that of its upper one.

    Args:
        scale: scale on which the peaks are equally spaced.
        num_filters: number of filters, K.
        low_hz, high_hz: lower edge of the first filter and upper edge of the last one.
        sample_rate_hz: sample rate in Hz.
        analytic: use only positive frequencies; else the filters are real.
        root: responses are square roots of triangles on the scale (`fbank`); else triangles in frequency.

    >>> TriangularBank(Scale("linear"), 3, 0, 8000, 16000).truncated_response(0, 16)
    (0, array([0. , 0.5, 1. , 0.5, 0. ]))
    """

    is_zero_phase = True

    def __init__(
        self,
        scale: Scale,
        num_filters: int,
        low_hz: float,
        high_hz: float,
        sample_rate_hz: float,
        *,
        analytic: bool = False,
        root: bool = False,
    ) -> None:
        self.is_real = not analytic
        self._scale, self._rate, self._root = scale, sample_rate_hz, root
        corners = scale.spaced(low_hz, high_hz, num_filters + 1, first=0, count=num_filters + 2)
        self._corners = list(zip(corners[:-2], corners[1:-1], corners[2:], strict=True))
        self.supports_hz = [(left, right) for left, _, right in self._corners]
        self.supports = [self._support(index) for index in range(num_filters)]

    def impulse_response(self, index: int, width: int) -> NDArray[np.float64] | NDArray[np.complex128]:
        """Impulse response (width,) of a filter: exact for triangles, transformed bins for roots."""
        if self._root:
            first, values = self.truncated_response(index, width)
            spectrum = np.zeros(width)
            spectrum[first : first + len(values)] = values
            if not self.is_real:
                return np.fft.ifft(spectrum)
            return np.fft.irfft(spectrum[: (width + 1) // 2 if width % 2 else width // 2 + 1], n=width)
        left, mid, right = self._angles(index)
        # Integration by parts, twice, leaves terms of the three corners of the triangle over t^2.
        samples = np.arange(1, width + 1)

        def wave(corner: float) -> NDArray[np.complex128]:
            values: NDArray[np.complex128] = np.exp(1j * corner * samples)
            return values

        rise, fall = mid - left, right - mid
        sides = ((right - left) * wave(mid) - fall * wave(left) - rise * wave(right)) / samples**2
        at_zero = (mid * (right**2 - left**2) + right * (left**2 - mid**2) + left * (mid**2 - right**2)) / 2
        response: NDArray[np.complex128] = np.zeros(width, np.complex128)
        response[1:] = sides[:-1] + sides[-2::-1].conj()
        response[0] = sides[-1] + at_zero
        response /= rise * fall * np.pi * (1 if self.is_real else 2)
        return response.real if self.is_real else response

    def truncated_response(self, index: int, width: int) -> tuple[int, NDArray[np.float64]]:
        """First bin and magnitudes of a filter's support in a transform of `width` points."""
        left, mid, right = self._corners[index]
        first = int(np.ceil(width * left / self._rate))
        hertz = self._rate * np.arange(first, min(width, int(width * right / self._rate) + 1)) / width
        places = hertz
        if self._root:
            places = np.array([self._scale.from_hertz(float(f)) for f in hertz])
            left, mid, right = (self._scale.from_hertz(f) for f in (left, mid, right))
        values = np.where(places <= mid, (places - left) / (mid - left), (right - places) / (right - mid))
        return first, np.sqrt(np.maximum(values, 0)) if self._root else values

    def _angles(self, index: int) -> tuple[float, float, float]:
        left, mid, right = (hertz * 2 * np.pi / self._rate for hertz in self._corners[index])
        return left, mid, right

    def _support(self, index: int) -> tuple[int, int]:
        """First and last sample, bounded as in pydrobert-speech 0.3.0, because features in time depend on them."""
        left, mid, right = self._angles(index)
        rise, fall = mid - left, right - mid
        bound: float
        if self._root:
            bound = (right - left + 2 * (rise * fall) ** 2) / (SUPPORT_THRESHOLD**2.5 * np.pi * (rise * fall) ** 1.5)
            bound = bound**0.3333
        else:
            bound = float(np.sqrt(8 * (right - left) / np.pi / SUPPORT_THRESHOLD / rise / fall))
        length = int(np.ceil(bound))
        return -length // 2 - 1, length // 2 + 1
