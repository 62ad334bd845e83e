import threading

import pytest

from cnn_mellin.data.prefetch import prefetch


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_results_come_in_order(num_threads):
    assert list(prefetch(lambda x: x * x, range(20), num_threads)) == [x * x for x in range(20)]


def test_three_threads_run_in_parallel():
    together = threading.Barrier(3, timeout=20)
    assert list(prefetch(lambda _: together.wait() >= 0, range(9), 3)) == [True] * 9


def test_errors_are_raised_in_order():
    results = prefetch(lambda x: 1 / x, [2, 1, 0, 5])
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        next(results)


def test_thread_ends_when_the_iterator_is_closed():
    before = threading.active_count()
    results = prefetch(lambda x: x, range(1000))
    next(results)
    assert threading.active_count() == before + 1
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
