"""Counts of errors, which add up over utterances."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ErrorCounts"]


@dataclass
class ErrorCounts:
    """Errors of some utterances.

    Args:
        num_phones: in the reference.
        substitutions, deletions, insertions: of the hypothesis.

    >>> total = ErrorCounts(4, substitutions=1) + ErrorCounts(6, deletions=1, insertions=2)
    >>> total.errors, total.percent
    (4, 40.0)
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

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.num_phones + other.num_phones,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )
