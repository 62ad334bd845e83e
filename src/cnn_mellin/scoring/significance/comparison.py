"""Comparison of systems, each trained with several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

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
# Significance, as it is usually asked for.
_LEVEL = 0.05


@dataclass(frozen=True)
class PairComparison:
    """Two systems, and how sure their difference is.

    Args:
        first, second: names.
        bootstrap: over speakers and seeds, of the second's rate less the first's.
        permutation_p: paired permutation over speakers, two-sided.
        permutation_p_holm: the same, corrected for all pairs compared.
        training_p: permutation over trainings, two-sided.
        training_p_holm: the same, corrected for all pairs compared.
        matched_pairs: MAPSSWE between the median seeds of both (the lower of two middle ones).
        matched_pairs_p_holm: its p-value, corrected for all pairs compared.
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


@dataclass(frozen=True)
class Comparison:
    """The result.

    Args:
        convention: how silence was scored.
        num_utterances, num_speakers, num_phones: of the references.
        systems: phone error rates in percent over the seeds of each.
        pairs: every system with every later one.
        remarks: lines on what is empty or never spoken, of the systems that have such; all seeds share a line, or a
            line begins with the number of its seed in the list.
        caveats: lines on what the intervals and p-values of the pairs do not cover; none without pairs.
    """

    convention: Convention
    num_utterances: int
    num_speakers: int
    num_phones: int
    systems: dict[str, SeedSummary]
    pairs: list[PairComparison]
    remarks: dict[str, list[str]]
    caveats: list[str]


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
    """Score all seeds of all systems, and test each pair of systems.

    Args:
        references: utterance -> phones, of the 39 set.
        systems: name -> hypotheses of each of its seeds.
        speaker_of: utterance -> speaker.
        convention: of scoring silence.
        seed_names: name -> names of its seeds; the bootstrap draws the same seeds for two systems that have the same.
        replications: of the bootstrap; ten times as many permutations are drawn.
        seed: of the draws.

    Raises:
        ValueError: a system has no seed, or the references have no phone.
        DataError: hypotheses are of other utterances, or an utterance has no speaker.

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
    draws = {"permutations": 10 * replications, "seed": seed}
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
