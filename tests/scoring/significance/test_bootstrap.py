"""Bootstrap: compared with kaldialign where both apply, with theory, and checked by laws."""

import random

import kaldialign
import numpy as np
import pytest

from cnn_mellin.scoring.phone_error_rate import phone_error_rate
from cnn_mellin.scoring.significance.bootstrap import bootstrap_difference
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors


def corrupted(reference: list[str], rate: float, rng: random.Random) -> list[str]:
    return [rng.choice("abcdef") if rng.random() < rate else phone for phone in reference if rng.random() > rate / 3]


def test_one_seed_and_one_speaker_per_utterance_agree_with_kaldialign() -> None:
    rng = random.Random(1)
    references = {f"u{i:03}": rng.choices("abcdef", k=rng.randint(10, 40)) for i in range(150)}
    first, second = (
        {name: corrupted(reference, rate, rng) for name, reference in references.items()} for rate in (0.22, 0.19)
    )
    errors = [
        SpeakerErrors.of([phone_error_rate(references, hypotheses)], {name: name for name in references})
        for hypotheses in (first, second)
    ]
    ours = bootstrap_difference(*errors)
    sides = [list(side.values()) for side in (references, first, second)]
    theirs = kaldialign.bootstrap_wer_ci(*sides, replications=10000)
    assert ours.probability_of_improvement == pytest.approx(theirs["p_s2_improv_over_s1"], abs=0.02)
    nothing = SpeakerErrors(errors[0].speakers, errors[0].num_phones, np.zeros_like(errors[0].errors))
    alone = bootstrap_difference(nothing, errors[0])
    assert alone.standard_error is not None
    assert 1.96 * alone.standard_error == pytest.approx(100 * theirs["system1"]["ci95"], rel=0.05)
    assert alone.difference == pytest.approx(100 * theirs["system1"]["wer"], abs=0.1)
    assert alone.low == pytest.approx(100 * theirs["system1"]["ci95min"], abs=0.15)
    assert alone.high == pytest.approx(100 * theirs["system1"]["ci95max"], abs=0.15)


def test_speakers_and_seeds_both_add_to_the_standard_error() -> None:
    generator = np.random.default_rng(0)
    num_phones = np.full(24, 300)
    alike = np.full((8, 24), 60)
    of_speakers = alike + generator.integers(-30, 31, size=24)
    of_seeds = alike + generator.integers(-9, 10, size=(8, 1))
    still = SpeakerErrors(tuple("abcdefghijklmnopqrstuvwx"), num_phones, alike)
    for errors, values, count in ((of_speakers, of_speakers[0], 24), (of_seeds, of_seeds[:, 0], 8)):
        result = bootstrap_difference(still, SpeakerErrors(still.speakers, num_phones, errors))
        assert result.standard_error == pytest.approx(100 / 300 * values.std() / count**0.5, rel=0.03)


def test_equal_errors_have_no_difference() -> None:
    errors = SpeakerErrors(("a", "b", "c"), np.array([10, 20, 30]), np.array([[3, 1, 4]]))
    result = bootstrap_difference(errors, errors)
    assert (result.difference, result.low, result.high, result.standard_error) == (0, 0, 0, 0)
    assert result.probability_of_improvement == 0.5


def test_swapping_the_systems_changes_the_sign_and_the_seed_determines_the_result() -> None:
    generator = np.random.default_rng(2)
    num_phones = generator.integers(50, 100, size=10)
    first, second = (
        SpeakerErrors(tuple("abcdefghij"), num_phones, generator.integers(10, 30, size=(1, 10))) for _ in range(2)
    )
    there, back = bootstrap_difference(first, second), bootstrap_difference(second, first)
    assert back.difference == -there.difference
    assert there.high is not None
    assert there.probability_of_improvement is not None
    assert back.low == pytest.approx(-there.high)
    assert back.probability_of_improvement == pytest.approx(1 - there.probability_of_improvement)
    assert bootstrap_difference(first, second) == there
    assert bootstrap_difference(first, second, seed=1) != there


def test_one_speaker_gives_no_interval() -> None:
    first, second = (SpeakerErrors(("a",), np.array([10]), np.array([[errors], [errors + 1]])) for errors in (3, 1))
    result = bootstrap_difference(first, second)
    assert result.difference == pytest.approx(-20)
    assert (result.low, result.high, result.standard_error, result.probability_of_improvement) == (None,) * 4


def test_paired_seeds_remove_the_variation_that_trainings_share() -> None:
    generator = np.random.default_rng(0)
    names, num_phones = tuple(f"s{i:02}" for i in range(20)), np.full(20, 100)
    shared = generator.integers(20, 60, size=(8, 1))
    first, second = (
        SpeakerErrors(names, num_phones, shared + generator.integers(0, 5, size=(8, 20)) + more) for more in (0, 1)
    )
    paired = bootstrap_difference(first, second, paired_seeds=True)
    unpaired = bootstrap_difference(first, second)
    assert paired.standard_error is not None
    assert unpaired.standard_error is not None
    assert paired.difference == unpaired.difference
    assert paired.standard_error < unpaired.standard_error / 5
    fewer = SpeakerErrors(names, num_phones, second.errors[:7])
    with pytest.raises(ValueError, match="have 8 and 7 seeds; paired systems need the same number of seeds"):
        bootstrap_difference(first, fewer, paired_seeds=True)


def test_wrong_arguments_are_named() -> None:
    errors = SpeakerErrors(("a",), np.array([10]), np.array([[3]]))
    with pytest.raises(ValueError, match="replications is 0; it must be at least 1"):
        bootstrap_difference(errors, errors, replications=0)
    with pytest.raises(ValueError, match="different references"):
        bootstrap_difference(errors, SpeakerErrors(("b",), np.array([10]), np.array([[3]])))
