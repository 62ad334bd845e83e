"""Counts of wrong articulatory features, which add up over utterances."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnn_mellin.scoring.phone_features import NUM_FEATURES

__all__ = ["FeatureErrorCounts"]


@dataclass
class FeatureErrorCounts:
    """Numbers of segments and of wrong features in one or more utterances.

    Args:
        num_utterances: number of utterances.
        num_segments: number of segments in the references.
        wrong_features: number of wrong features: those in which substituted segments differ, and all 24 of each
            inserted or deleted segment.

    >>> total = FeatureErrorCounts(1, 3, 24) + FeatureErrorCounts(1, 1, 12)
    >>> total.distance, total.percent, total.distance_per_utterance
    (1.5, 37.5, 0.75)
    """

    num_utterances: int = 0
    num_segments: int = 0
    wrong_features: int = 0

    @property
    def distance(self) -> float:
        """Feature edit distance, in segments."""
        return self.wrong_features / NUM_FEATURES

    @property
    def percent(self) -> float:
        """Phone feature error rate in percent; infinite if there are errors but no reference segments."""
        if not self.num_segments:
            return float("inf") if self.wrong_features else 0.0
        return 100.0 * self.wrong_features / (NUM_FEATURES * self.num_segments)

    @property
    def distance_per_utterance(self) -> float:
        """Mean feature edit distance of an utterance, in segments; 0 without utterances."""
        return self.distance / self.num_utterances if self.num_utterances else 0.0

    def as_dict(self) -> dict[str, float | int | None]:
        """Counts for JSON: `feature_percent` (None instead of infinity), `segments` and `feature_distance`.

        >>> FeatureErrorCounts(1, 4, 24).as_dict()
        {'feature_percent': 25.0, 'segments': 4, 'feature_distance': 1.0}
        """
        return {
            "feature_percent": self.percent if math.isfinite(self.percent) else None,
            "segments": self.num_segments,
            "feature_distance": self.distance,
        }

    def __add__(self, other: FeatureErrorCounts) -> FeatureErrorCounts:
        return FeatureErrorCounts(
            self.num_utterances + other.num_utterances,
            self.num_segments + other.num_segments,
            self.wrong_features + other.wrong_features,
        )
