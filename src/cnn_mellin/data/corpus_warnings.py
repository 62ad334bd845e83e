"""Warnings about a corpus whose files are whole, but whose content may not be what its user believes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.labelling import Labelling
from cnn_mellin.utterance_names import name_utterances

__all__ = ["corpus_warnings"]

_FACTOR = 10  # utterances this many times longer or shorter than the median are named
_SLOWEST, _FASTEST = 1, 30  # symbols per second; speech has 5 to 20 phones


def corpus_warnings(
    parts: Mapping[str, Sequence[Utterance]], durations_s: Mapping[str, float], labelling: Labelling
) -> list[str]:
    """Lines that name what is unusual in a corpus, each with its number and the first examples; empty if nothing is.

    They name speakers in several partitions; symbols that only one partition has (those that training lacks are named
    by `corpus_labelling`); utterances ten times longer or shorter than the median; and utterances with fewer than 1 or
    more than 30 symbols per second.

    Args:
        parts: partition name -> utterances.
        durations_s: utterance id -> duration in seconds.
        labelling: mapping from labels to symbols.

    >>> from pathlib import Path
    >>> from cnn_mellin.data.labelling import corpus_labelling
    >>> utterances = [Utterance(f"u{i}", "mary", Path("u.wav"), (), transcript=("a", "b")) for i in range(2)]
    >>> parts = {"train": utterances[:1], "dev": utterances[1:]}
    >>> for line in corpus_warnings(parts, {"u0": 1.0, "u1": 0.0625}, corpus_labelling(parts)[0]):
    ...     print(line)
    1 of 1 speakers are in several partitions: mary (train, dev)
    1 of 2 utterances have more than 30 symbols per second: u1 (32 per second)
    """
    utterances = [utterance for of_partition in parts.values() for utterance in of_partition]
    return [*_speakers(parts), *_symbols(parts, labelling), *_lengths(durations_s), *_speeds(utterances, durations_s)]


def _speakers(parts: Mapping[str, Sequence[Utterance]]) -> list[str]:
    homes: dict[str, list[str]] = {}
    for partition, utterances in parts.items():
        for speaker in dict.fromkeys(utterance.speaker for utterance in utterances):
            homes.setdefault(speaker, []).append(partition)
    shared = [f"{speaker} ({', '.join(found)})" for speaker, found in sorted(homes.items()) if len(found) > 1]
    return [f"{len(shared)} of {len(homes)} speakers are in several partitions: {name_utterances(shared)}"] * bool(
        shared
    )


def _symbols(parts: Mapping[str, Sequence[Utterance]], labelling: Labelling) -> list[str]:
    """Symbols of training that no other partition has."""
    found = {
        partition: {symbol for u in utterances for symbol in labelling.trained_symbols(u.labels)}
        for partition, utterances in parts.items()
    }
    training = found.pop("train", set())
    alone = sorted(training - set().union(*found.values())) if found else []
    lacking = f"{len(alone)} of {len(labelling.symbols)} symbols are only in partition train: {name_utterances(alone)}"
    return [lacking] * bool(alone)


def _lengths(durations_s: Mapping[str, float]) -> list[str]:
    median = statistics.median(durations_s.values()) if durations_s else 0.0
    lines = []
    for word, odd in (
        ("longer", [name for name, duration in durations_s.items() if duration > _FACTOR * median]),
        ("shorter", [name for name, duration in durations_s.items() if duration * _FACTOR < median]),
    ):
        named = name_utterances([f"{name} ({durations_s[name]:.2f} s)" for name in odd])
        about = f"are over {_FACTOR} times {word} than the median of {median:.2f} s"
        lines += [f"{len(odd)} of {len(durations_s)} utterances {about}: {named}"] * bool(odd)
    return lines


def _speeds(utterances: Sequence[Utterance], durations_s: Mapping[str, float]) -> list[str]:
    speeds = {u.utterance_id: len(u.labels) / durations_s[u.utterance_id] for u in utterances}
    lines = []
    for word, odd in (
        (f"fewer than {_SLOWEST}", [name for name, speed in speeds.items() if speed < _SLOWEST]),
        (f"more than {_FASTEST}", [name for name, speed in speeds.items() if speed > _FASTEST]),
    ):
        named = name_utterances([f"{name} ({_rounded(speeds[name])} per second)" for name in odd])
        unit = "symbol" if word.endswith(f" {_SLOWEST}") else "symbols"
        lines += [f"{len(odd)} of {len(speeds)} utterances have {word} {unit} per second: {named}"] * bool(odd)
    return lines


def _rounded(value: float) -> str:
    return f"{value:.2f}" if value < _FASTEST else f"{value:.0f}"
