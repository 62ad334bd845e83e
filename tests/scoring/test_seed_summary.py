import pytest

from cnn_mellin.scoring.seed_summary import SeedSummary


def test_unsorted_values() -> None:
    summary = SeedSummary.of([3.0, 1.0, 2.0, 10.0])
    assert (summary.mean, summary.median, summary.minimum, summary.maximum) == (4.0, 2.5, 1.0, 10.0)
    assert summary.sd == pytest.approx((50 / 3) ** 0.5)
    assert summary.values == (3.0, 1.0, 2.0, 10.0)


def test_one_seed_has_no_standard_deviation_and_no_seed_is_refused() -> None:
    assert SeedSummary.of([3.0]).sd is None
    with pytest.raises(ValueError, match="values are empty"):
        SeedSummary.of([])
