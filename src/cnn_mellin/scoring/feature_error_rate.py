"""Phone feature error rate: errors weighted by how many articulatory features are wrong."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cnn_mellin.scoring.feature_edit_distance import feature_edit_distances
from cnn_mellin.scoring.feature_error_counts import FeatureErrorCounts
from cnn_mellin.scoring.phone_error_rate import require_same_utterances
from cnn_mellin.scoring.phone_features import phone_features

__all__ = ["FeatureErrorRate", "feature_error_rate"]


@dataclass
class FeatureErrorRate:
    """Result of scoring by articulatory features.

    Args:
        alphabet: alphabet in which the symbols were read: `ipa` or `arpabet`.
        total: counts of all utterances together.
        utterances: utterance -> its counts.
        silences: symbol that is silence, and left out -> number of times in references and hypotheses.
        unknown: symbol without known features -> number of times; it differs from all others in every feature.
        ignored: symbol -> characters of it that have no known features, and are ignored.
    """

    alphabet: str
    total: FeatureErrorCounts = field(default_factory=FeatureErrorCounts)
    utterances: dict[str, FeatureErrorCounts] = field(default_factory=dict)
    silences: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        """Phone feature error rate in percent."""
        return self.total.percent

    @property
    def remarks(self) -> list[str]:
        """Lines about the distance per utterance, and about symbols that are left out, unknown or read in part."""
        lines = [
            f"features: read as {'ARPAbet' if self.alphabet == 'arpabet' else 'IPA'}, "
            f"{self.total.num_segments} segments, distance {self.total.distance_per_utterance:.4f} per utterance"
        ]
        for what, counts in (("left out as silence", self.silences), ("without known features", self.unknown)):
            if counts:
                lines.append(f"features: {what}: {', '.join(f'{s} {count} times' for s, count in counts.items())}")
        if self.ignored:
            parts = ", ".join(f"{symbol} without {_shown(rest)}" for symbol, rest in self.ignored.items())
            lines.append(f"features: read in part: {parts}")
        return lines

    def by_speaker(self, speaker_of: Mapping[str, str]) -> dict[str, FeatureErrorCounts]:
        """Counts of each speaker, sorted by name.

        Args:
            speaker_of: utterance -> speaker, for every utterance.
        """
        speakers: dict[str, FeatureErrorCounts] = {}
        for utterance_id, counts in self.utterances.items():
            speaker = speaker_of[utterance_id]
            speakers[speaker] = speakers.get(speaker, FeatureErrorCounts()) + counts
        return dict(sorted(speakers.items()))


def _shown(characters: str) -> str:
    """Characters for a message; those that would combine with the one before them are shown by their number."""
    return " ".join(f"U+{ord(each):04X}" if unicodedata.combining(each) else each for each in characters)


def feature_error_rate(
    references: Mapping[str, Sequence[str]], hypotheses: Mapping[str, Sequence[str]]
) -> FeatureErrorRate:
    """Score hypotheses against references by articulatory features.

    Symbols become segments of panphon's table; a diphthong becomes two. The distance of an utterance is the lowest
    cost of turning one sequence of segments into the other, where a substitution costs the proportion of the 24
    features that differ, and an insertion or deletion 1 (panphon's Hamming feature edit distance). The phone feature
    error rate is the sum of the distances divided by the number of segments in the references.

    Args:
        references: utterance -> phones.
        hypotheses: utterance -> recognised phones, for the same utterances.

    Raises:
        DataError: references and hypotheses hold different utterances, or none.
        MissingPackageError: panphon is not installed (the extra `features`).

    >>> result = feature_error_rate({"a": ["b", "a", "t"]}, {"a": ["p", "a"]})
    >>> result.total
    FeatureErrorCounts(num_utterances=1, num_segments=3, wrong_features=25)
    """
    require_same_utterances(references, hypotheses)
    counts = Counter(symbol for side in (references, hypotheses) for symbols in side.values() for symbol in symbols)
    features = phone_features(counts)
    spoken, recognised = (
        [[segment for symbol in side[name] for segment in features.segments[symbol]] for name in references]
        for side in (references, hypotheses)
    )
    result = FeatureErrorRate(
        features.alphabet,
        silences={symbol: counts[symbol] for symbol in features.silences},
        unknown={symbol: counts[symbol] for symbol in features.unknown},
        ignored=features.ignored,
    )
    distances = feature_edit_distances(spoken, recognised, features.changes)
    for utterance_id, segments, distance in zip(references, spoken, distances, strict=True):
        result.utterances[utterance_id] = FeatureErrorCounts(1, len(segments), distance)
        result.total += result.utterances[utterance_id]
    return result
