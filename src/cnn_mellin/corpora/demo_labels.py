"""Conversion of the synthesiser's phone events to TIMIT's 61 phones and their boundaries."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.corpora.utterance import TimedPhone

__all__ = ["timit_labels"]

_CLOSURES = {
    **{"p": "pcl", "t": "tcl", "k": "kcl", "b": "bcl", "d": "dcl", "g": "gcl"},
    **{"ch": "tcl", "jh": "dcl"},
}
_PAUSES = ("pau", "h#")
_STRESS = "',%="
_SHORTEST = 16  # samples; shorter events are elided phones
# Between the synthesiser's rests (at least 40 dB below the peak) and its voiced closures (20 to 30 dB below).
_SILENCE_BELOW_PEAK_DB = 36
_LEVEL_WINDOW_S = 0.004
_SHORTEST_CLOSURE_S = 0.010
_CLOSURE_AFTER_PAUSE_S = 0.040  # the moment in a pause at which the mouth closes is inaudible
_RISE_S = 0.006
_BURST_LOWEST_HZ = 1500
_LAST_BURST = 0.85  # latest burst, as a fraction of the segment


def timit_labels(
    names: list[str], first_samples: list[int], samples: NDArray[np.int16], sample_rate_hz: int
) -> list[TimedPhone]:
    """Label a whole signal with TIMIT's phones.

    Args:
        names: mnemonics of the synthesiser's phone events.
        first_samples: first sample of each event.
        samples: signal (S,).
        sample_rate_hz: sample rate in Hz.

    Returns:
        Phones without gaps between them; the first and the last are `h#`, which may be empty.

    Raises:
        ValueError: a mnemonic is unknown.
    """
    labels: list[tuple[str, int]] = [("h#", 0)]
    silent = _silences(samples, sample_rate_hz)
    ends = [*first_samples[1:], len(samples)]
    for name, first, end in zip(names, first_samples, ends, strict=True):
        phones = _phones_of(name.strip(_STRESS))
        if not phones or end - first < _SHORTEST:
            continue
        if len(phones) == 2:
            labels += [(phones[0], first), (phones[1], (first + end) // 2)]
        elif phones[0] in _CLOSURES:
            closure = _silence_before(first, labels[-1], silent, sample_rate_hz)
            if closure is None:
                burst = first + _burst(samples[first:end], sample_rate_hz)
                labels += [(_CLOSURES[phones[0]], first), (phones[0], burst)]
            else:
                labels += [(_CLOSURES[phones[0]], closure), (phones[0], first)]
        else:
            labels.append((phones[0], first))
    return _joined(labels, len(samples))


@cache
def _table() -> dict[str, tuple[str, ...]]:
    lines = Path(__file__).with_name("espeak_phones.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {mnemonic: tuple(phones.split()) for mnemonic, phones in (line.split("\t") for line in lines)}


def _phones_of(mnemonic: str) -> tuple[str, ...]:
    if mnemonic in ("", ";"):
        return ()
    try:
        return _table()[mnemonic]
    except KeyError:
        raise ValueError(f"mnemonic {mnemonic!r} is not in espeak_phones.tsv") from None


def _silences(samples: NDArray[np.int16], sample_rate_hz: int) -> NDArray[np.bool_]:
    """True for each sample that ends a few milliseconds of silence."""
    window = max(int(_LEVEL_WINDOW_S * sample_rate_hz), 1)
    energy = np.concatenate([np.zeros(window), np.cumsum(samples.astype(np.float64) ** 2)])
    level = energy[window:] - energy[:-window]
    silent: NDArray[np.bool_] = level <= level.max(initial=0.0) * 10 ** (-_SILENCE_BELOW_PEAK_DB / 10)
    return silent


def _silence_before(
    first: int, previous: tuple[str, int], silent: NDArray[np.bool_], sample_rate_hz: int
) -> int | None:
    """First sample of the silence before a stop, which is its closure; None if there is no silence.

    The previous phone keeps at least half of its duration.
    """
    label, earliest = previous
    loud = np.flatnonzero(~silent[earliest:first])
    begin = earliest + int(loud[-1]) + 1 if len(loud) else earliest
    if first > earliest:
        begin = max(begin, earliest + -(-(first - earliest) // 2))
    if label in _PAUSES:
        begin = max(begin, first - int(_CLOSURE_AFTER_PAUSE_S * sample_rate_hz))
    return begin if first - begin >= _SHORTEST_CLOSURE_S * sample_rate_hz else None


def _burst(segment: NDArray[np.int16], sample_rate_hz: int) -> int:
    """Sample at which the energy of the higher frequencies rises most steeply."""
    spectrum = np.fft.rfft(segment.astype(np.float64))
    spectrum[: int(_BURST_LOWEST_HZ * len(segment) / sample_rate_hz)] = 0
    energy = np.concatenate([[0.0], np.cumsum(np.fft.irfft(spectrum, len(segment)) ** 2)])
    window = max(int(_RISE_S * sample_rate_hz), 1)
    last = int(_LAST_BURST * len(segment)) - window
    if last <= window:
        return len(segment) // 2
    places = np.arange(window, last)
    before, after = energy[places] - energy[places - window], energy[places + window] - energy[places]
    return int(places[np.argmax(np.log(after + 1) - np.log(before + 1))])


def _joined(labels: list[tuple[str, int]], length: int) -> list[TimedPhone]:
    """Add the ends of the phones; pauses at either end become part of `h#`, and adjacent pauses are merged.

    Both `h#` are kept even if they are empty: the recording adds silence to them.
    """
    end_of_speech = length
    while labels[-1][0] == "pau":
        end_of_speech = labels.pop()[1]
    kept: list[tuple[str, int]] = []
    for label, first in [*labels, ("h#", end_of_speech)]:
        if label != "pau" or kept[-1][0] not in _PAUSES:
            kept.append((label, first))
    ends = [first for _, first in kept[1:]] + [length]
    return [TimedPhone(label, first, end) for (label, first), end in zip(kept, ends, strict=True)]
