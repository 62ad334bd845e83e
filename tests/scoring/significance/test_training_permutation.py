import numpy as np
import pytest
import scipy.stats

from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors
from cnn_mellin.scoring.significance.training_permutation import training_permutation


def system(totals: list[float]) -> SpeakerErrors:
    return SpeakerErrors(("a", "b"), np.array([500, 500]), np.array([[t - t // 3, t // 3] for t in totals], np.int64))


@pytest.mark.parametrize(("num_seeds", "lowest"), [(1, 1.0), (2, 1 / 3), (5, 2 / 252)])
def test_no_p_is_lower_than_the_number_of_trainings_allows(num_seeds: int, lowest: float) -> None:
    first, second = system([300.0 + i for i in range(num_seeds)]), system([100.0 + i for i in range(num_seeds)])
    assert training_permutation(first, second) == pytest.approx(lowest)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(4, 4), (3, 6), (14, 13)])
def test_agrees_with_scipy(numbers: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    sides = [generator.integers(200, 300, size=number).astype(float) for number in numbers]
    sides[1] -= 20
    theirs = scipy.stats.permutation_test(
        sides, lambda a, b: abs(a.mean() - b.mean()), alternative="greater", n_resamples=100_000, rng=generator
    )
    ours = training_permutation(system(sides[0].tolist()), system(sides[1].tolist()))
    assert ours == pytest.approx(float(theirs.pvalue), abs=0.006)


def test_trainings_that_vary_hide_a_difference_that_a_test_over_speakers_shows() -> None:
    from cnn_mellin.scoring.significance.permutation import paired_permutation

    names, num_phones = tuple(f"s{i:02}" for i in range(20)), np.full(20, 100)
    first = np.array([[20] * 20, [40] * 20])
    second = first[::-1] + np.array([[3] * 20, [0] * 20])
    sides = [SpeakerErrors(names, num_phones, errors) for errors in (first, second)]
    assert paired_permutation(*sides) < 0.001
    assert training_permutation(*sides) > 0.5


def test_equal_systems_and_wrong_arguments() -> None:
    assert training_permutation(system([10.0, 20.0]), system([20.0, 10.0])) == 1
    with pytest.raises(ValueError, match="permutations is 0; it must be at least 1"):
        training_permutation(system([1.0]), system([1.0]), permutations=0)
    other = SpeakerErrors(("a",), np.array([3]), np.array([[1]]))
    with pytest.raises(ValueError, match="different references"):
        training_permutation(system([1.0]), other)
