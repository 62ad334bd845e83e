import math

from cnn_mellin.scoring.error_counts import ErrorCounts


def test_sums_and_percent() -> None:
    total = ErrorCounts(10, 1, 2, 3) + ErrorCounts(30, 4, 0, 0)
    assert total == ErrorCounts(40, 5, 2, 3)
    assert (total.errors, total.percent) == (10, 25.0)


def test_errors_without_a_reference_are_infinite_percent() -> None:
    assert ErrorCounts().percent == 0.0
    assert math.isinf(ErrorCounts(insertions=1).percent)
