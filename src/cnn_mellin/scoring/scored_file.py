"""Scored transcript file, with error counts of groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate

__all__ = ["ScoredFile"]


@dataclass(frozen=True)
class ScoredFile:
    """Result of scoring one file of hypotheses under one convention.

    Args:
        path: file of the hypotheses.
        result: result of scoring it.
        rows: (group, name, error counts): the total, and any speakers, phones or utterances that were asked for.
    """

    path: str
    result: PhoneErrorRate
    rows: Sequence[tuple[str, str, ErrorCounts]]

    def as_dict(self, *, worst: int = 10, with_matrix: bool = False) -> dict[str, Any]:
        """Content for JSON.

        Keys are `hypothesis` (the path), `convention`, `num_utterances`, `rates` (one dict per row: `group`, `name` and
        `ErrorCounts.as_dict`), `worst_confusions`, `empty_hypotheses`, `empty_references` and `unseen_symbols`, the
        last four as in `PhoneErrorRate`.

        Args:
            worst: number of confusions to list.
            with_matrix: add `confusion_matrix`: its `phones` and `counts`, as in `PhoneErrorRate.confusion_matrix`.

        >>> from cnn_mellin.scoring import phone_error_rate
        >>> result = phone_error_rate({"a": ["t", "d"]}, {"a": ["t", "t"]})
        >>> ScoredFile("a.trn", result, [("total", "", result.total)]).as_dict()["worst_confusions"]
        [['d', 't', 1]]
        """
        content: dict[str, Any] = {
            "hypothesis": self.path,
            "convention": self.result.convention,
            "num_utterances": len(self.result.utterances),
            "rates": [{"group": group, "name": name, **counts.as_dict()} for group, name, counts in self.rows],
            "worst_confusions": [list(confusion) for confusion in self.result.worst_confusions(worst)],
            "empty_hypotheses": self.result.empty_hypotheses,
            "empty_references": self.result.empty_references,
            "unseen_symbols": self.result.unseen_symbols,
        }
        if with_matrix:
            phones, counts = self.result.confusion_matrix()
            content["confusion_matrix"] = {"phones": phones, "counts": counts}
        return content
