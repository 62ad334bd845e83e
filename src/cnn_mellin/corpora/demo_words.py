"""Conversion of the synthesiser's word events to the words of a sentence and their boundaries."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnn_mellin.corpora.utterance import TimedPhone, TimedWord

__all__ = ["timed_words"]

_PAUSES = ("pau", "h#")
_CLOSURES = ("pcl", "tcl", "kcl", "bcl", "dcl", "gcl")


def timed_words(
    sentence: str, positions: Sequence[int], first_samples: Sequence[int], phones: Sequence[TimedPhone]
) -> list[TimedWord]:
    """Find the boundaries of every word of a sentence.

    A word starts where a phone starts, and ends where the next word or a pause starts. The synthesiser pronounces some
    words as one (`on the`) and marks only the first: such words share the time in proportion to their letters.

    Args:
        sentence: text that was synthesised.
        positions: position of each marked word in the sentence, from 0.
        first_samples: first sample of each marked word in the recording.
        phones: phones of the recording, at least one per word.

    >>> phones = [TimedPhone("h#", 0, 9), TimedPhone("ay", 9, 20), TimedPhone("s", 20, 30), TimedPhone("h#", 30, 40)]
    >>> [(word.word, word.first_sample, word.end_sample) for word in timed_words("I see.", [0, 2], [8, 22], phones)]
    [('i', 9, 20), ('see', 20, 30)]
    """
    words = [(match.start(), match[0].strip(".,?!").lower()) for match in re.finditer(r"\S+", sentence)]
    free = [
        i
        for i in range(1, len(phones))
        if phones[i].symbol not in _PAUSES
        and (phones[i].symbol in _CLOSURES or phones[i - 1].symbol not in _CLOSURES)  # a burst belongs to its closure
    ]
    chosen: list[int] = []
    for guess in _guesses(sentence, words, positions, first_samples, phones):
        words_after = len(words) - len(chosen) - 1
        near = sorted(free[: len(free) - words_after], key=lambda i: abs(phones[i].first_sample - guess))
        chosen.append(near[0])
        free = [i for i in free if i > near[0]]
    timed = []
    for (_, word), i, after in zip(words, chosen, [*chosen[1:], len(phones) - 1], strict=True):
        last = after - 1
        while phones[last].symbol in _PAUSES:
            last -= 1
        timed.append(TimedWord(word, phones[i].first_sample, phones[last].end_sample))
    return timed


def _guesses(
    sentence: str,
    words: Sequence[tuple[int, str]],
    positions: Sequence[int],
    first_samples: Sequence[int],
    phones: Sequence[TimedPhone],
) -> list[float]:
    """Estimate the start of each word: its mark, or in proportion to the letters between two marks."""
    marks = dict(zip(positions, first_samples, strict=True))
    marks[len(sentence)] = phones[-1].first_sample
    places = sorted(marks)
    guesses = []
    for start, _ in words:
        before = max((place for place in places if place <= start), default=places[0])
        after = min(place for place in places if place > start)
        share = (start - before) / (after - before)
        guesses.append(marks[before] + share * (marks[after] - marks[before]))
    return guesses
