import random

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.comparison import compare_systems
from cnn_mellin.scoring.holm import holm
from cnn_mellin.scoring.mapsswe import mapsswe


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
    assert bad_good.bootstrap.high < 0
    assert bad_good.bootstrap.probability_of_improvement > 0.99
    assert bad_good.permutation_p_holm < 0.05 < good_alike.permutation_p_holm
    assert [pair.permutation_p_holm for pair in result.pairs] == holm([pair.permutation_p for pair in result.pairs])
    middle = sorted(range(3), key=lambda i: result.systems["bad"].values[i])[1]
    lower = min(range(2), key=lambda i: result.systems["good"].values[i])
    assert bad_good.matched_pairs == mapsswe(references, systems["bad"][middle], systems["good"][lower])


def test_one_system_has_no_pair_and_mismatches_are_refused() -> None:
    references = {"a-1": ["t"]}
    assert compare_systems(references, {"A": [references]}, {"a-1": "a"}).pairs == []
    with pytest.raises(DataError, match="missing from the hypotheses: a-1"):
        compare_systems(references, {"A": [{}]}, {"a-1": "a"})
    with pytest.raises(ValueError, match="results are empty"):
        compare_systems(references, {"A": []}, {"a-1": "a"})
