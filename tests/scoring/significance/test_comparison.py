import random

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.significance.comparison import compare_systems
from cnn_mellin.scoring.significance.holm import holm
from cnn_mellin.scoring.significance.mapsswe import mapsswe


def test_all_seeds_and_all_pairs_are_compared() -> None:
    rng = random.Random(0)
    references = {f"s{i % 12}-u{i}": rng.choices("abcdef", k=30) for i in range(48)}
    speakers = {name: name.partition("-")[0] for name in references}

    def system(rates: list[float]) -> list[dict[str, list[str]]]:
        return [
            {name: [p if rng.random() > rate else "g" for p in phones] for name, phones in references.items()}
            for rate in rates
        ]

    systems = {"bad": system([0.32, 0.29, 0.3]), "good": system([0.2, 0.21]), "alike": system([0.205])}
    result = compare_systems(references, systems, speakers, replications=1000)
    assert (result.num_utterances, result.num_speakers, result.num_phones) == (48, 12, 1440)
    assert list(result.systems) == ["bad", "good", "alike"]
    assert [(pair.first, pair.second) for pair in result.pairs] == [
        ("bad", "good"),
        ("bad", "alike"),
        ("good", "alike"),
    ]
    for pair in result.pairs:
        expected = result.systems[pair.second].mean - result.systems[pair.first].mean
        assert pair.bootstrap.difference == pytest.approx(expected)
    bad_good, _, good_alike = result.pairs
    assert bad_good.bootstrap.high is not None
    assert bad_good.bootstrap.high < 0
    assert bad_good.bootstrap.probability_of_improvement is not None
    assert bad_good.bootstrap.probability_of_improvement > 0.99
    assert bad_good.permutation_p_holm < 0.05 < good_alike.permutation_p_holm
    assert [pair.permutation_p_holm for pair in result.pairs] == holm([pair.permutation_p for pair in result.pairs])
    middle = sorted(range(3), key=lambda i: result.systems["bad"].values[i])[1]
    lower = min(range(2), key=lambda i: result.systems["good"].values[i])
    assert bad_good.matched_pairs == mapsswe(references, systems["bad"][middle], systems["good"][lower])


def test_seeds_with_the_same_names_are_resampled_together() -> None:
    references = {f"s{i}-u": ["a"] * 20 for i in range(8)}
    speakers = {name: name.partition("-")[0] for name in references}

    def system(rates: list[int], more: int) -> list[dict[str, list[str]]]:
        return [{name: ["b"] * (rate + more) + ["a"] * (20 - rate - more) for name in references} for rate in rates]

    systems = {"A": system([2, 8, 12, 5], 0), "B": system([2, 8, 12, 5], 1)}
    paired = {"A": ["1", "2", "3", "4"], "B": ["1", "2", "3", "4"]}
    for names, expected in ((paired, True), (paired | {"B": ["5", "6", "7", "8"]}, False), (None, False)):
        (pair,) = compare_systems(references, systems, speakers, seed_names=names, replications=500).pairs
        assert (pair.bootstrap.low == pair.bootstrap.high == pytest.approx(5)) == expected


def compared(num_speakers: int, seeds: dict[str, int]) -> list[str]:
    references = {f"s{i}-u": ["a", "b"] for i in range(num_speakers)}
    systems = {name: [references] * count for name, count in seeds.items()}
    speakers = {name: name.partition("-")[0] for name in references}
    return compare_systems(references, systems, speakers, replications=10).caveats


def test_caveats_say_what_intervals_and_p_values_do_not_cover() -> None:
    one, *_ = compared(1, {"A": 2, "B": 2})
    assert one == "one speaker: no interval, and no permutation p below 1; compare on more speakers"
    few, *_ = compared(5, {"A": 2, "B": 2})
    assert few.startswith("5 speakers: no permutation p is below 0.062, however large the difference")
    single, averaged = compared(6, {"A": 1, "B": 2})
    assert single.startswith("one training each of A: the interval does not cover how much trainings vary")
    assert averaged.startswith("permutation p and MAPSSWE p hold for these trainings")
    (both,) = compared(6, {"A": 1, "B": 1})
    assert both.startswith("one training each of A, B: ")
    assert compared(6, {"A": 1}) == []


def test_one_system_has_no_pair_and_mismatches_are_refused() -> None:
    references = {"a-1": ["t"]}
    assert compare_systems(references, {"A": [references]}, {"a-1": "a"}).pairs == []
    with pytest.raises(DataError, match="missing from the hypotheses: a-1"):
        compare_systems(references, {"A": [{}]}, {"a-1": "a"})
    with pytest.raises(ValueError, match="results are empty"):
        compare_systems(references, {"A": []}, {"a-1": "a"})
