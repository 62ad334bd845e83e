"""Matched pairs sentence-segment test (MAPSSWE; Gillick and Cox, 1989), as in NIST's sc_stats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from cnn_mellin.scoring.convention import Convention, align_by_convention, is_right

__all__ = ["MatchedPairs", "mapsswe"]

# Consecutive phones that both systems must have right to separate two segments.
_SEPARATING_PHONES = 2


@dataclass(frozen=True)
class MatchedPairs:
    """Result of the test.

    Args:
        num_segments: number of segments with an error of either system.
        mean, sd: mean and standard deviation of the second system's errors minus the first's, per segment.
        z: mean divided by its standard error; 0 if no segment differs.
        p_value: two-sided p-value.
    """

    num_segments: int
    mean: float
    sd: float
    z: float
    p_value: float

    def as_dict(self) -> dict[str, float | int | None]:
        """All fields by name, for JSON, with None instead of an infinite `z`."""
        return {**asdict(self), "z": self.z if math.isfinite(self.z) else None}


def mapsswe(
    references: Mapping[str, Sequence[str]],
    first: Mapping[str, Sequence[str]],
    second: Mapping[str, Sequence[str]],
    convention: Convention = "kaldi",
) -> MatchedPairs:
    """Test the null hypothesis that two systems make equally many errors per segment.

    Args:
        references: utterance -> phones.
        first, second: hypotheses of both systems for the same utterances.
        convention: convention for scoring silence.

    >>> mapsswe({"u": ["a", "b", "c", "d", "e"]}, {"u": ["x", "b", "c", "d"]}, {"u": ["a", "b", "c", "d"]}).num_segments
    2
    """
    differences: list[int] = []
    for utterance_id, reference in references.items():
        sides = [_errors_by_place(reference, hypotheses[utterance_id], convention) for hypotheses in (first, second)]
        differences.extend(_segment_differences(*sides))
    num_segments = len(differences)
    mean = sum(differences) / num_segments if num_segments else 0.0
    squares = sum((difference - mean) ** 2 for difference in differences)
    sd = math.sqrt(squares / (num_segments - 1)) if num_segments > 1 else 0.0
    if sd:
        z = mean / (sd / math.sqrt(num_segments))
    else:
        z = math.copysign(math.inf, mean) if mean and num_segments > 1 else 0.0
    return MatchedPairs(num_segments, mean, sd, z, math.erfc(abs(z) / math.sqrt(2)))


def _errors_by_place(
    reference: Sequence[str], hypothesis: Sequence[str], convention: Convention
) -> tuple[list[int], list[int]]:
    """Number of insertions before each reference phone and at the end, and 1 for each phone that is wrong, else 0."""
    insertions, wrong = [0], []
    for pair in align_by_convention(reference, hypothesis, convention):
        if pair[0] is None:
            insertions[-1] += 1
        else:
            wrong.append(0 if is_right(pair, convention) else 1)
            insertions.append(0)
    return insertions, wrong


def _segment_differences(first: tuple[list[int], list[int]], second: tuple[list[int], list[int]]) -> list[int]:
    """The second system's errors minus the first's in each segment between phones that both have right."""
    differences: list[int] = []
    difference, inside, right_in_a_row = 0, False, 0
    places: list[tuple[int, int, bool]] = []
    for i in range(len(first[0])):
        places.append((first[0][i], second[0][i], False))
        if i < len(first[1]):
            places.append((first[1][i], second[1][i], True))
    for errors_of_first, errors_of_second, is_phone in places:
        if errors_of_first or errors_of_second:
            difference += errors_of_second - errors_of_first
            inside, right_in_a_row = True, 0
        elif is_phone:
            right_in_a_row += 1
            if inside and right_in_a_row == _SEPARATING_PHONES:
                differences.append(difference)
                difference, inside = 0, False
    return [*differences, difference] if inside else differences
