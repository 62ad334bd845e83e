"""Phone error rates at each speaking rate: their intervals, and tests of the differences between systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference, bootstrap_difference
from cnn_mellin.scoring.significance.holm import holm
from cnn_mellin.scoring.significance.permutation import paired_permutation
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.scoring.significance.training_permutation import training_permutation

__all__ = ["RateDifference", "rate_differences", "rate_errors", "rate_interval"]


@dataclass(frozen=True)
class RateDifference:
    """Difference of two systems at a speaking rate.

    Args:
        first, second: names of the systems.
        rate: speaking rate.
        difference: difference of the phone error rates (second minus first), in points.
        p_value: two-sided p-value of the difference: the higher of those over speakers and over trainings, with Holm's
            correction for all pairs and speaking rates.
        rise: difference of the rises from speaking rate 1 to this one (second minus first), in points; None at 1.
        rise_p_value: p-value of the rises' difference, corrected likewise; None at 1.
    """

    first: str
    second: str
    rate: float
    difference: BootstrapDifference
    p_value: float
    rise: BootstrapDifference | None
    rise_p_value: float | None


def rate_errors(results: RecipeResults) -> dict[str, dict[float, SpeakerErrors]]:
    """Errors of each system at each speaking rate: system -> speaking rate -> errors by seed and speaker.

    Systems without transcripts of all seeds at other speaking rates are left out.
    """
    errors: dict[str, dict[float, SpeakerErrors]] = {}
    for system in results.systems:
        found = results.rate_transcripts(system)
        if found is None:
            continue
        references, hypotheses, rate_of, speaker_of = found
        errors[system] = {}
        for rate in sorted(set(rate_of.values())):
            names = [name for name in references if rate_of[name] == rate]
            said = {name: references[name] for name in names}
            scored = [phone_error_rate(said, {name: seed[name] for name in names}) for seed in hypotheses]
            errors[system][rate] = SpeakerErrors.of(scored, speaker_of)
    return errors


def rate_interval(errors: SpeakerErrors, *, replications: int) -> tuple[float, float] | None:
    """95 % interval of a phone error rate in percent, bootstrapped over speakers and seeds; None with one speaker."""
    none = SpeakerErrors(errors.speakers, errors.num_phones, np.zeros_like(errors.errors))
    found = bootstrap_difference(none, errors, replications=replications, paired_seeds=True)
    return None if found.low is None or found.high is None else (found.low, found.high)


def rate_differences(
    errors: Mapping[str, Mapping[float, SpeakerErrors]], pairs: Sequence[tuple[str, str]], *, replications: int
) -> list[RateDifference]:
    """Differences of pairs of systems at all speaking rates.

    Args:
        errors: system -> speaking rate -> errors.
        pairs: names of the systems of each pair.
        replications: number of bootstrap replications; the permutation tests use ten times as many permutations.
    """
    places = [(pair, rate) for pair in pairs for rate in errors[pair[0]]]
    tested = [(errors[a][rate], errors[b][rate]) for (a, b), rate in places]
    rising = [(pair, rate) for pair, rate in places if rate != 1 and 1.0 in errors[pair[0]]]
    rises = [(_rise(errors[a], rate), _rise(errors[b], rate)) for (a, b), rate in rising]
    p_values = _p_values(tested, replications)
    rise_p_values = dict(zip(rising, _p_values(rises, replications), strict=True))
    rise_of = dict(zip(rising, (_difference(*pair, replications) for pair in rises), strict=True))
    return [
        RateDifference(
            *pair,
            rate,
            _difference(*of_both, replications),
            p_value,
            rise_of.get((pair, rate)),
            rise_p_values.get((pair, rate)),
        )
        for (pair, rate), of_both, p_value in zip(places, tested, p_values, strict=True)
    ]


def _rise(errors: Mapping[float, SpeakerErrors], rate: float) -> SpeakerErrors:
    return errors[rate].beyond(errors[1.0])


def _difference(first: SpeakerErrors, second: SpeakerErrors, replications: int) -> BootstrapDifference:
    paired = len(first.errors) == len(second.errors)
    return bootstrap_difference(first, second, replications=replications, paired_seeds=paired)


def _p_values(pairs: Sequence[tuple[SpeakerErrors, SpeakerErrors]], replications: int) -> list[float]:
    """Higher p-value of the tests over speakers and over trainings, each with Holm's correction."""
    over_speakers = holm([paired_permutation(*pair, permutations=10 * replications) for pair in pairs])
    over_trainings = holm([training_permutation(*pair, permutations=10 * replications) for pair in pairs])
    return [max(both) for both in zip(over_speakers, over_trainings, strict=True)]
