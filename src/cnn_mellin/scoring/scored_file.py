"""Scored transcript file, with error counts of groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cnn_mellin.scoring.error_counts import ErrorCounts
from cnn_mellin.scoring.feature_error_counts import FeatureErrorCounts
from cnn_mellin.scoring.feature_error_rate import FeatureErrorRate
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate

__all__ = ["ScoredFile"]


@dataclass(frozen=True)
class ScoredFile:
    """Result of scoring one file of hypotheses under one convention.

    Args:
        path: file of the hypotheses.
        result: result of scoring it.
        rows: (group, name, error counts): the total, and any speakers, phones or utterances that were asked for.
        features: result of scoring it by articulatory features; None where that was not asked for.
        speaker_of: utterance -> speaker, for the feature errors of the rows of speakers.
    """

    path: str
    result: PhoneErrorRate
    rows: Sequence[tuple[str, str, ErrorCounts]]
    features: FeatureErrorRate | None = None
    speaker_of: Mapping[str, str] | None = None

    @cached_property
    def feature_counts(self) -> dict[tuple[str, str], FeatureErrorCounts]:
        """(Group, name) -> counts of wrong features; rows of phones have none, as a distance is not one of phones."""
        if self.features is None:
            return {}
        counts = {("total", ""): self.features.total}
        counts |= {("utterance", name): found for name, found in self.features.utterances.items()}
        if self.speaker_of is not None:
            counts |= {("speaker", name): found for name, found in self.features.by_speaker(self.speaker_of).items()}
        return counts

    def as_dict(self, *, worst: int = 10, with_matrix: bool = False) -> dict[str, Any]:
        """Content for JSON.

        Keys are `hypothesis` (the path), `convention`, `num_utterances`, `rates` (one dict per row: `group`, `name` and
        `ErrorCounts.as_dict`), `worst_confusions`, `empty_hypotheses`, `empty_references` and `unseen_symbols`, the
        last four as in `PhoneErrorRate`. With `features`, the rates also have `FeatureErrorCounts.as_dict`, and
        `features` has the keys `alphabet`, `distance_per_utterance`, `silences`, `unknown` and `ignored`, as in
        `FeatureErrorRate`.

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
            "rates": [
                {"group": group, "name": name, **counts.as_dict(), **self._features_of(group, name)}
                for group, name, counts in self.rows
            ],
            "worst_confusions": [list(confusion) for confusion in self.result.worst_confusions(worst)],
            "empty_hypotheses": self.result.empty_hypotheses,
            "empty_references": self.result.empty_references,
            "unseen_symbols": self.result.unseen_symbols,
        }
        if with_matrix:
            phones, counts = self.result.confusion_matrix()
            content["confusion_matrix"] = {"phones": phones, "counts": counts}
        if self.features is not None:
            content["features"] = {
                "alphabet": self.features.alphabet,
                "distance_per_utterance": self.features.total.distance_per_utterance,
                "silences": self.features.silences,
                "unknown": self.features.unknown,
                "ignored": self.features.ignored,
            }
        return content

    def _features_of(self, group: str, name: str) -> dict[str, Any]:
        counts = self.feature_counts.get((group, name))
        return {} if counts is None else counts.as_dict()
