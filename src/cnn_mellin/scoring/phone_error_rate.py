"""Phone error rate, under the conventions that published results use."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.alignment import align, align_with_optional
from cnn_mellin.utterance_names import name_utterances

__all__ = ["CONVENTIONS", "Convention", "ErrorCounts", "PhoneErrorRate", "phone_error_rate"]

Convention = Literal["kaldi", "merge-sil", "optional-sil"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
_SILENCE = "sil"


@dataclass
class ErrorCounts:
    """Errors of some utterances.

    Args:
        num_phones: in the reference.
        substitutions, deletions, insertions: of the hypothesis.
    """

    num_phones: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """All three kinds together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def percent(self) -> float:
        """Errors for every 100 phones of the reference; infinite where errors meet an empty reference."""
        if not self.num_phones:
            return float("inf") if self.errors else 0.0
        return 100.0 * self.errors / self.num_phones

    def __iadd__(self, other: ErrorCounts) -> ErrorCounts:
        self.num_phones += other.num_phones
        self.substitutions += other.substitutions
        self.deletions += other.deletions
        self.insertions += other.insertions
        return self


@dataclass
class PhoneErrorRate:
    """The result of scoring.

    Args:
        convention: how silence was scored.
        total: errors of all utterances.
        utterances: errors of each.
        confusions: how often a reference phone (None: insertion) met another phone (None: deletion).
        empty_hypotheses: utterances for which nothing was recognised; all their phones are deletions.
        empty_references: utterances without a reference phone; all that was recognised is insertions.
    """

    convention: Convention
    total: ErrorCounts = field(default_factory=ErrorCounts)
    utterances: dict[str, ErrorCounts] = field(default_factory=dict)
    confusions: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    empty_hypotheses: list[str] = field(default_factory=list)
    empty_references: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Phone error rate in percent."""
        return self.total.percent

    def by_speaker(self, speaker_of: Mapping[str, str]) -> dict[str, ErrorCounts]:
        """Errors of each speaker, sorted by name."""
        speakers: dict[str, ErrorCounts] = {}
        for utterance_id, counts in self.utterances.items():
            speakers.setdefault(speaker_of[utterance_id], ErrorCounts()).__iadd__(counts)
        return dict(sorted(speakers.items()))


def phone_error_rate(
    references: Mapping[str, Sequence[str]],
    hypotheses: Mapping[str, Sequence[str]],
    convention: Convention = "kaldi",
) -> PhoneErrorRate:
    """Score hypotheses against references.

    Args:
        references: utterance -> phones, of the 39 set.
        hypotheses: the same utterances -> phones.
        convention: `kaldi` scores every silence; `merge-sil` merges neighbouring silences of either side into one,
            then scores it; `optional-sil` lets silence of the reference be missing.

    Raises:
        ValueError: the convention is not known.
        DataError: an utterance is in one of the two alone, or there is none.

    >>> result = phone_error_rate({"a": ["sil", "ah", "b"]}, {"a": ["ah", "b", "b"]})
    >>> round(result.percent, 1), result.total
    (66.7, ErrorCounts(num_phones=3, substitutions=0, deletions=1, insertions=1))
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; it must be one of {', '.join(CONVENTIONS)}")
    _check_same_utterances(references, hypotheses)
    result = PhoneErrorRate(convention)
    for utterance_id, reference in references.items():
        hypothesis = hypotheses[utterance_id]
        if convention == "merge-sil":
            reference, hypothesis = _merged(reference), _merged(hypothesis)
        if convention == "optional-sil":
            pairs = align_with_optional(reference, hypothesis, _SILENCE)
        else:
            pairs = align(reference, hypothesis)
        counts = ErrorCounts(len(reference))
        counts.insertions = sum(r is None for r, _ in pairs)
        counts.deletions = sum(h is None for _, h in pairs)
        counts.substitutions = sum(r != h for r, h in pairs) - counts.insertions - counts.deletions
        result.utterances[utterance_id] = counts
        result.total += counts
        result.confusions.update((r, h) for r, h in pairs if r != h)
        if not hypothesis:
            result.empty_hypotheses.append(utterance_id)
        if not reference:
            result.empty_references.append(utterance_id)
    return result


def _merged(phones: Sequence[str]) -> list[str]:
    """Phones in which neighbouring silences are one."""
    return [
        phone for phone, run in itertools.groupby(phones) for _ in range(1 if phone == _SILENCE else len(list(run)))
    ]


def _check_same_utterances(references: Mapping[str, object], hypotheses: Mapping[str, object]) -> None:
    if not references:
        raise DataError("there is no reference to score against")
    for name, here, there in (
        ("hypotheses", references, hypotheses),
        ("references", hypotheses, references),
    ):
        missing = sorted(set(here) - set(there))
        if missing:
            raise DataError(f"{len(missing)} utterances are missing from the {name}: {name_utterances(missing)}")
