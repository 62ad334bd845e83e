"""Frequency scales, on which the filters of a bank are equally spaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Scale"]


@dataclass(frozen=True)
class Scale:
    """Frequency scale.

    Args:
        name: mel, bark (Traunmueller's formula, corrected at both ends), linear or octave.
        low_hz: frequency at which the linear and octave scales are zero.
        slope_hz: slope of the linear scale per Hz.

    >>> round(Scale("mel").from_hertz(1000.0))
    1000
    >>> round(Scale("bark").to_hertz(Scale("bark").from_hertz(440.0)), 6)
    440.0
    """

    name: Literal["mel", "bark", "linear", "octave"]
    low_hz: float = 0.0
    slope_hz: float = 1.0

    def from_hertz(self, hertz: float) -> float:
        """Convert a frequency to its place on the scale."""
        if self.name == "mel":
            return float(1127.0 * np.log(1 + hertz / 700.0))
        if self.name == "linear":
            return (hertz - self.low_hz) * self.slope_hz
        if self.name == "octave":
            return float(np.log2(hertz / self.low_hz))
        bark = 26.81 * hertz / (1960.0 + hertz) - 0.53
        return bark + 0.15 * max(2.0 - bark, 0.0) + 0.22 * max(bark - 20.1, 0.0)

    def to_hertz(self, place: float) -> float:
        """Convert a place on the scale to its frequency."""
        if self.name == "mel":
            return float(700.0 * (np.exp(place / 1127.0) - 1.0))
        if self.name == "linear":
            return place / self.slope_hz + self.low_hz
        if self.name == "octave":
            return float(2.0**place * self.low_hz)
        if place < 2.0:
            place = (place - 0.3) / 0.85
        elif place > 20.1:
            place = (place + 0.22 * 20.1) / 1.22
        return 1960.0 * (place + 0.53) / (26.28 - place)

    def spaced(self, low_hz: float, high_hz: float, steps: int, *, first: float, count: int) -> list[float]:
        """Frequencies at steps `first`, `first` + 1, ... of `steps` equal steps from low_hz to high_hz.

        >>> Scale("linear").spaced(0, 8, 4, first=0.5, count=3)
        [1.0, 3.0, 5.0]
        """
        low = self.from_hertz(low_hz)
        step = (self.from_hertz(high_hz) - low) / steps
        return [self.to_hertz(low + step * (first + index)) for index in range(count)]
