"""Comparison of systems that were each trained with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, TypedDict

from cnn_mellin.scoring.convention import Convention
from cnn_mellin.scoring.phone_error_rate import PhoneErrorRate, phone_error_rate
from cnn_mellin.scoring.seed_summary import SeedSummary
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference, bootstrap_difference
from cnn_mellin.scoring.significance.holm import holm
from cnn_mellin.scoring.significance.mapsswe import MatchedPairs, mapsswe
from cnn_mellin.scoring.significance.permutation import paired_permutation
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.scoring.significance.training_permutation import training_permutation

__all__ = ["Comparison", "PairComparison", "compare_systems"]

# utterance -> phones
_Transcripts = Mapping[str, Sequence[str]]
# The usual significance level.
_LEVEL = 0.05


@dataclass(frozen=True)
class PairComparison:
    """Difference of two systems, with its tests of significance.

    Args:
        first, second: names of the systems.
        bootstrap: difference of the phone error rates (second minus first), bootstrapped over speakers and seeds.
        permutation_p: two-sided p-value of the paired permutation test over speakers.
        permutation_p_holm: the same with Holm's correction for all pairs.
        training_p: two-sided p-value of the permutation test over trainings.
        training_p_holm: the same with Holm's correction for all pairs.
        matched_pairs: MAPSSWE between the median seeds of both systems (the lower of two middle seeds).
        matched_pairs_p_holm: its p-value with Holm's correction for all pairs.
    """

    first: str
    second: str
    bootstrap: BootstrapDifference
    permutation_p: float
    permutation_p_holm: float
    training_p: float
    training_p_holm: float
    matched_pairs: MatchedPairs
    matched_pairs_p_holm: float

    def as_dict(self) -> dict[str, Any]:
        """All fields by name, for JSON; `matched_pairs` as `MatchedPairs.as_dict` gives it."""
        return {**asdict(self), "matched_pairs": self.matched_pairs.as_dict()}


@dataclass(frozen=True)
class Comparison:
    """Result of `compare_systems`.

    Args:
        convention: convention for scoring silence.
        num_utterances, num_speakers, num_phones: size of the references.
        systems: system -> summary of its phone error rates in percent.
        pairs: comparison of every system with every later one.
        remarks: system -> its warnings, as in `PhoneErrorRate.remarks`; a warning that does not concern all seeds
            begins with the number of its seed, counted from 1. Systems without warnings are left out.
        caveats: sentences on what intervals and p-values do not cover; empty without pairs.
    """

    convention: Convention
    num_utterances: int
    num_speakers: int
    num_phones: int
    systems: dict[str, SeedSummary]
    pairs: list[PairComparison]
    remarks: dict[str, list[str]]
    caveats: list[str]

    def as_dict(self) -> dict[str, Any]:
        """All fields by name, for JSON; each pair as `PairComparison.as_dict` gives it."""
        return {**asdict(self), "pairs": [pair.as_dict() for pair in self.pairs]}


class _RandomDraws(TypedDict):
    """Arguments that both permutation tests share."""

    permutations: int
    seed: int


def compare_systems(
    references: _Transcripts,
    systems: Mapping[str, Sequence[_Transcripts]],
    speaker_of: Mapping[str, str],
    convention: Convention = "kaldi",
    *,
    seed_names: Mapping[str, Sequence[str]] | None = None,
    replications: int = 10000,
    seed: int = 0,
) -> Comparison:
    """Score all seeds of all systems, and test the difference of each pair of systems.

    Args:
        references: utterance -> phones (for TIMIT, of the 39 set).
        systems: system -> one mapping from utterance to recognised phones per seed.
        speaker_of: utterance -> speaker.
        convention: convention for scoring silence.
        seed_names: system -> names of its seeds; if two systems have the same names, the bootstrap resamples the same
            seeds for both.
        replications: number of bootstrap replications; the permutation tests use ten times as many permutations.
        seed: seed of the bootstrap and of the permutation tests.

    Raises:
        ValueError: a system has no seed, or the references hold no phones.
        DataError: hypotheses and references hold different utterances, or an utterance has no speaker.

    >>> references = {"a-1": ["t", "d"], "b-1": ["t", "k"]}
    >>> better, worse = {"a-1": ["t", "d"], "b-1": ["t"]}, {"a-1": ["d"], "b-1": ["k"]}
    >>> result = compare_systems(references, {"A": [worse], "B": [better]}, {"a-1": "a", "b-1": "b"})
    >>> result.systems["A"].mean, result.systems["B"].mean, result.pairs[0].bootstrap.difference
    (50.0, 25.0, -25.0)
    """
    errors: dict[str, SpeakerErrors] = {}
    summaries: dict[str, SeedSummary] = {}
    median_run: dict[str, _Transcripts] = {}
    remarks: dict[str, list[str]] = {}
    for name, seeds in systems.items():
        results = [phone_error_rate(references, hypotheses, convention) for hypotheses in seeds]
        errors[name] = SpeakerErrors.of(results, speaker_of)
        summaries[name] = SeedSummary.of([result.percent for result in results])
        if any(result.remarks for result in results):
            remarks[name] = _remarks(results)
        ranked = sorted(range(len(results)), key=lambda i: results[i].percent)
        median_run[name] = seeds[ranked[(len(ranked) - 1) // 2]]
    pairs = list(combinations(systems, 2))
    draws = _RandomDraws(permutations=10 * replications, seed=seed)
    over_speakers = [paired_permutation(errors[a], errors[b], **draws) for a, b in pairs]
    over_trainings = [training_permutation(errors[a], errors[b], **draws) for a, b in pairs]
    matched = [mapsswe(references, median_run[a], median_run[b], convention) for a, b in pairs]
    corrected = [holm(p) for p in (over_speakers, over_trainings, [result.p_value for result in matched])]
    compared = []
    for i, (a, b) in enumerate(pairs):
        paired = seed_names is not None and list(seed_names[a]) == list(seed_names[b])
        compared.append(
            PairComparison(
                first=a,
                second=b,
                bootstrap=bootstrap_difference(
                    errors[a], errors[b], replications=replications, seed=seed, paired_seeds=paired
                ),
                permutation_p=over_speakers[i],
                permutation_p_holm=corrected[0][i],
                training_p=over_trainings[i],
                training_p_holm=corrected[1][i],
                matched_pairs=matched[i],
                matched_pairs_p_holm=corrected[2][i],
            )
        )
    any_system = next(iter(errors.values()))
    return Comparison(
        convention=convention,
        num_utterances=len(references),
        num_speakers=len(any_system.speakers),
        num_phones=int(any_system.num_phones.sum()),
        systems=summaries,
        pairs=compared,
        remarks=remarks,
        caveats=_caveats(summaries, len(any_system.speakers)) if pairs else [],
    )


def _caveats(systems: Mapping[str, SeedSummary], num_speakers: int) -> list[str]:
    caveats = []
    if num_speakers == 1:
        caveats.append("one speaker: no interval, and no permutation p below 1; compare on more speakers")
    elif 2 / 2**num_speakers > _LEVEL:
        lowest = f"no permutation p is below {2 / 2**num_speakers:.2g}, however large the difference"
        caveats.append(f"{num_speakers} speakers: {lowest}; compare on more speakers")
    single = [name for name, summary in systems.items() if len(summary.values) == 1]
    if single:
        caveats.append(
            f"one training each of {', '.join(single)}: the interval does not cover how much trainings vary, and "
            "another seed may reverse the difference; train several seeds"
        )
    if len(single) < len(systems):
        caveats.append(
            "permutation p and MAPSSWE p hold for these trainings, as they average over the seeds or take the median "
            "ones; the interval and trainings p cover how much trainings vary"
        )
    return caveats


def _remarks(results: Sequence[PhoneErrorRate]) -> list[str]:
    shared = [line for line in results[0].remarks if all(line in result.remarks for result in results)]
    of_one = [f"{i}: {line}" for i, result in enumerate(results, 1) for line in result.remarks if line not in shared]
    return [*shared, *of_one]
