"""Speech slowed or sped up at the same pitch, by overlapping and adding similar pieces (WSOLA)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["change_speaking_rate"]


def change_speaking_rate(
    samples: ArrayLike, rate: float, *, sample_rate_hz: int = 16000, window_ms: float = 32.0, search_ms: float = 8.0
) -> NDArray[np.float32]:
    """Change how fast is spoken, and not how high.

    Windows of the signal are laid down at a fixed hop of half a window. Each is taken from where the time is, give or
    take a little: from where it is most like what would have followed the window before it, so that the pitch pulses
    of voiced speech meet. (Waveform similarity overlap-add: Verhelst and Roelands, ICASSP 1993.) Resampling would
    change pitch and formants as well; a change of speaking rate does not.

    Args:
        samples: (S,).
        rate: 2 is twice as fast, 0.5 half; in 0.3..3.
        sample_rate_hz: samples a second.
        window_ms: length of a window.
        search_ms: how far from its time a window may be taken.

    Returns:
        (round(S / rate),). A rate of 1 gives the samples back.

    Raises:
        ValueError: the rate lies outside 0.3..3.

    >>> tone = np.sin(2 * np.pi * 200 / 16000 * np.arange(16000))
    >>> slow = change_speaking_rate(tone, 0.5)
    >>> len(slow), int(np.abs(np.fft.rfft(slow)).argmax() / 2)  # of 2 seconds: half hertz
    (32000, 200)
    """
    if not 0.3 <= rate <= 3:
        raise ValueError(f"rate is {rate}; it must lie in 0.3..3")
    signal = np.asarray(samples, dtype=np.float32)
    num_out = round(len(signal) / rate)
    if rate == 1 or not len(signal):
        return signal.copy()
    hop = round(window_ms / 2000 * sample_rate_hz)
    search = round(search_ms / 1000 * sample_rate_hz)
    window = np.hanning(2 * hop + 1)[:-1]  # two of them, a hop apart, add up to one
    margin = 2 * hop + search
    padded = np.pad(signal.astype(np.float64), (margin, margin + 2 * hop))
    num_windows = num_out // hop + 2
    out = np.zeros((num_windows + 1) * hop)
    place = margin - hop
    for i in range(num_windows):
        # window i is centred on output i hop, so on time i hop rate of the signal
        if i:
            wanted = padded[place + hop : place + 3 * hop]
            nearest = min(max(margin + round(i * hop * rate) - hop, search), len(padded) - search - 2 * hop)
            region = padded[nearest - search : nearest + search + 2 * hop]
            if len(wanted) == 2 * hop:
                nearest += _best_shift(region, wanted, search)
            place = nearest
        out[i * hop : (i + 2) * hop] += window * padded[place : place + 2 * hop]
    return out[hop : hop + num_out].astype(np.float32)


def _best_shift(region: NDArray[np.float64], wanted: NDArray[np.float64], search: int) -> int:
    """Where in -search..search the region is most like what is wanted: the highest normalised correlation."""
    length = len(wanted)
    products = np.correlate(region, wanted, mode="valid")
    energies = np.cumsum(np.concatenate([[0.0], region**2]))
    norms = np.sqrt(np.maximum(energies[length:] - energies[:-length], 1e-9))
    scores = products / norms
    best = int(scores.argmax())
    # among equals, as in silence, the one nearest to its time
    return 0 if scores[best] <= scores[search] + 1e-9 else best - search
