"""Error counts, which add up over utterances."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["ErrorCounts"]


@dataclass
class ErrorCounts:
    """Numbers of phones and errors in one or more utterances.

    Args:
        num_phones: number of phones in the references.
        substitutions, deletions, insertions: number of errors of each kind in the hypotheses.

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
        """Number of errors of all three kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def percent(self) -> float:
        """Phone error rate in percent; infinite if there are errors but no reference phones."""
        if not self.num_phones:
            return float("inf") if self.errors else 0.0
        return 100.0 * self.errors / self.num_phones

    def as_dict(self) -> dict[str, float | int | None]:
        """Counts for JSON: `percent` (None instead of infinity), `phones`, and the number of errors of each kind.

        >>> ErrorCounts(4, deletions=1).as_dict()
        {'percent': 25.0, 'phones': 4, 'substitutions': 0, 'deletions': 1, 'insertions': 0}
        """
        return {
            "percent": self.percent if math.isfinite(self.percent) else None,
            "phones": self.num_phones,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
        }

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.num_phones + other.num_phones,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )
