import itertools

import numpy as np
import pytest
import scipy.stats

from cnn_mellin.scoring.significance.permutation import paired_permutation
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors


def systems(num_speakers: int, shift: float, seed: int) -> tuple[SpeakerErrors, SpeakerErrors]:
    generator = np.random.default_rng(seed)
    names = tuple(f"s{i:02}" for i in range(num_speakers))
    num_phones = generator.integers(200, 400, size=num_speakers)
    first = generator.integers(40, 80, size=(3, num_speakers))
    second = first[:2] - np.round(generator.normal(shift, 10, size=(2, num_speakers))).astype(int)
    return SpeakerErrors(names, num_phones, first), SpeakerErrors(names, num_phones, second)


@pytest.mark.parametrize("num_speakers", [1, 2, 9])
def test_few_speakers_equal_an_enumeration_of_all_exchanges(num_speakers: int) -> None:
    first, second = systems(num_speakers, 5.0, num_speakers)
    differences = second.errors.mean(0) - first.errors.mean(0)
    sums = [abs(sum(signs * differences)) for signs in itertools.product((1, -1), repeat=num_speakers)]
    expected = sum(value >= abs(differences.sum()) - 1e-9 for value in sums) / len(sums)
    assert paired_permutation(first, second) == expected


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_many_speakers_agree_with_scipy(shift: float) -> None:
    first, second = systems(24, shift, 3)
    theirs = scipy.stats.permutation_test(
        (first.errors.mean(0), second.errors.mean(0)),
        lambda a, b: abs(np.sum(b - a)),
        permutation_type="samples",
        n_resamples=20000,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    ours = paired_permutation(first, second)
    assert ours == pytest.approx(float(theirs.pvalue), abs=0.012)
    assert (ours < 0.05) == (shift > 0)
    assert paired_permutation(second, first) == pytest.approx(ours, abs=0.005)


def test_equal_systems_and_wrong_arguments() -> None:
    first, _ = systems(20, 1.0, 0)
    assert paired_permutation(first, first, permutations=100) == 1.0
    with pytest.raises(ValueError, match="permutations is 0; it must be at least 1"):
        paired_permutation(first, first, permutations=0)
    with pytest.raises(ValueError, match="different references"):
        paired_permutation(first, systems(19, 1.0, 0)[0])
