"""Matched pairs test on sentence segments (Gillick and Cox, 1989), as NIST's sc_stats makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnn_mellin.scoring.convention import Convention, align_by_convention, is_right

__all__ = ["MatchedPairs", "mapsswe"]

# Phones that both have right, in a row, which part two segments.
_PARTING = 2


@dataclass(frozen=True)
class MatchedPairs:
    """The result of the test.

    Args:
        num_segments: stretches with errors of either system.
        mean, sd: of the second's errors less the first's, a segment.
        z: the mean in units of its standard error; 0 where no segment differs.
        p_value: two-sided.
    """

    num_segments: int
    mean: float
    sd: float
    z: float
    p_value: float


def mapsswe(
    references: Mapping[str, Sequence[str]],
    first: Mapping[str, Sequence[str]],
    second: Mapping[str, Sequence[str]],
    convention: Convention = "kaldi",
) -> MatchedPairs:
    """Test whether two recognisers make equally many errors.

    Args:
        references: utterance -> phones.
        first, second: of the same utterances.
        convention: of scoring silence.

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
    """Insertions before each phone of the reference and at its end, and whether each phone is wrong."""
    insertions, wrong = [0], []
    for pair in align_by_convention(reference, hypothesis, convention):
        if pair[0] is None:
            insertions[-1] += 1
        else:
            wrong.append(0 if is_right(pair, convention) else 1)
            insertions.append(0)
    return insertions, wrong


def _segment_differences(first: tuple[list[int], list[int]], second: tuple[list[int], list[int]]) -> list[int]:
    """The second's errors less the first's in each stretch between phones that both have right."""
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
            if inside and right_in_a_row == _PARTING:
                differences.append(difference)
                difference, inside = 0, False
    return [*differences, difference] if inside else differences
