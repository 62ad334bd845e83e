"""Errors of one system, by seed and speaker: what tests of significance look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate

__all__ = ["SpeakerErrors", "check_comparable"]


@dataclass(frozen=True)
class SpeakerErrors:
    """Number of errors of a system for each seed and speaker.

    Args:
        speakers: names of the S speakers, sorted.
        num_phones: (S,), number of phones in the references of each speaker.
        errors: (R, S), number of errors of each of R seeds for each speaker.
    """

    speakers: tuple[str, ...]
    num_phones: npt.NDArray[np.int64]
    errors: npt.NDArray[np.int64]

    @classmethod
    def of(cls, results: Sequence[PhoneErrorRate], speaker_of: Mapping[str, str]) -> Self:
        """Collect the results of all seeds of a system.

        Raises:
            ValueError: there is no result, the references differ between results, or they hold no phones.
            DataError: an utterance has no speaker.

        >>> from cnn_mellin.scoring.phone_error_rate import phone_error_rate
        >>> seed = phone_error_rate({"u": ["t", "d"], "v": ["t"]}, {"u": ["t"], "v": ["t"]})
        >>> SpeakerErrors.of([seed], {"u": "anna", "v": "bert"}).errors.tolist()
        [[1, 0]]
        """
        if not results:
            raise ValueError("results are empty; a system needs at least one seed")
        by_speaker = [result.by_speaker(speaker_of) for result in results]
        speakers = tuple(by_speaker[0])
        num_phones = [[counts.num_phones for counts in seed.values()] for seed in by_speaker]
        if any(tuple(seed) != speakers for seed in by_speaker) or any(n != num_phones[0] for n in num_phones):
            raise ValueError("results are of different references; all seeds must be scored on the same utterances")
        if not sum(num_phones[0]):
            raise ValueError("the references have no phone; there is no phone error rate to compare")
        errors = [[counts.errors for counts in seed.values()] for seed in by_speaker]
        return cls(speakers, np.array(num_phones[0], dtype=np.int64), np.array(errors, dtype=np.int64))

    @property
    def percent(self) -> float:
        """Mean phone error rate over the seeds, in percent."""
        return 100.0 * float(self.errors.sum(axis=1).mean() / self.num_phones.sum())

    def beyond(self, other: Self) -> Self:
        """Errors beyond those under another condition; negative where there are fewer.

        The difference of two systems in it is the interaction of system and condition.

        Args:
            other: errors of the same seeds on the same references.

        Raises:
            ValueError: the references or the numbers of seeds differ.

        >>> slow = SpeakerErrors(("a",), np.array([10]), np.array([[5], [7]]))
        >>> slow.beyond(SpeakerErrors(("a",), np.array([10]), np.array([[4], [4]]))).errors.tolist()
        [[1], [3]]
        """
        check_comparable(self, other)
        if len(self.errors) != len(other.errors):
            raise ValueError(
                f"self and other have {len(self.errors)} and {len(other.errors)} seeds; they must be equal"
            )
        return replace(self, errors=self.errors - other.errors)


def check_comparable(first: SpeakerErrors, second: SpeakerErrors) -> None:
    """Check that two systems were scored on the same references.

    Raises:
        ValueError: their speakers or numbers of phones differ.
    """
    if first.speakers != second.speakers or not np.array_equal(first.num_phones, second.num_phones):
        raise ValueError("first and second are of different references; score both on the same utterances")
