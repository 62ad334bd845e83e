from concurrent.futures import ThreadPoolExecutor

import pytest

from cnn_mellin.bounded_map import bounded_map


def test_the_order_is_kept_and_at_most_ahead_calls_are_pending():
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        return -i

    with ThreadPoolExecutor(4) as pool:
        results = bounded_map(pool, work, range(100), ahead=6)
        for taken in range(100):
            assert next(results) == -taken
            assert len(begun) <= taken + 6


def test_an_error_is_raised_in_its_place():
    def work(i: int) -> float:
        return 1 / (2 - i)

    with ThreadPoolExecutor(2) as pool:
        results = bounded_map(pool, work, range(5), ahead=3)
        assert [next(results), next(results)] == [0.5, 1.0]
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            next(results)
