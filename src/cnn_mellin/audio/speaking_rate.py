"""Speech slowed down or sped up at constant pitch (waveform similarity overlap-add, WSOLA)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_mellin.speaking_rate_range import SPEAKING_RATES_SHOWN, is_speaking_rate

__all__ = ["change_speaking_rate"]


def change_speaking_rate(
    samples: ArrayLike, rate: float, *, sample_rate_hz: int = 16000, window_ms: float = 32.0, search_ms: float = 8.0
) -> NDArray[np.float32]:
    """Change the speaking rate of a signal without changing its pitch.

    Windows of the signal are overlapped and added at a fixed hop of half a window. Each window is taken near its time
    in the signal, at the shift where it is most similar to the natural continuation of the previous window, so that the
    pitch pulses of voiced speech line up (WSOLA: Verhelst and Roelands, ICASSP 1993). Resampling would also change
    pitch and formants.

    Args:
        samples: signal (S,).
        rate: factor in 0.3..3: 2 is twice as fast, 0.5 half as fast.
        sample_rate_hz: sample rate in Hz.
        window_ms: length of a window.
        search_ms: maximum shift of a window from its time.

    Returns:
        Signal (round(S / rate),). A rate of 1 returns the samples unchanged.

    Raises:
        ValueError: the rate lies outside 0.3..3.

    >>> tone = np.sin(2 * np.pi * 200 / 16000 * np.arange(16000))
    >>> slow = change_speaking_rate(tone, 0.5)
    >>> len(slow), int(np.abs(np.fft.rfft(slow)).argmax() / 2)  # bins of 0.5 Hz
    (32000, 200)
    """
    if not is_speaking_rate(rate):
        raise ValueError(f"rate is {rate}; it must lie in {SPEAKING_RATES_SHOWN}")
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
        # window i is centred on output sample i * hop, that is sample i * hop * rate of the signal
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
    """Shift in -search..search at which the region is most similar to `wanted` (highest normalised correlation)."""
    length = len(wanted)
    products = np.correlate(region, wanted, mode="valid")
    energies = np.cumsum(np.concatenate([[0.0], region**2]))
    norms = np.sqrt(np.maximum(energies[length:] - energies[:-length], 1e-9))
    scores = products / norms
    best = int(scores.argmax())
    # among equal scores, as in silence, no shift
    return 0 if scores[best] <= scores[search] + 1e-9 else best - search
