"""Requests of several threads are answered together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnn_mellin.recipe.gathered import Gathered


def test_requests_of_one_kind_are_answered_in_one_call_and_others_separately():
    calls = []

    def answer(numbers):
        calls.append(sorted(numbers))
        return [number * 10 for number in numbers]

    gathered = Gathered(answer, kind=lambda number: number % 2, wait_s=0.5)
    barrier = threading.Barrier(5)

    def ask(number: int) -> int:
        barrier.wait()
        return gathered.ask(number)

    with ThreadPoolExecutor(5) as threads:
        assert list(threads.map(ask, range(5))) == [0, 10, 20, 30, 40]
    assert sorted(calls) == [[0, 2, 4], [1, 3]]
    assert gathered.ask(7) == 70


def test_an_exception_reaches_every_thread_that_asked():
    def refuse(_requests):
        raise RuntimeError("sbatch refused it")

    gathered = Gathered(refuse, kind=lambda _: None, wait_s=0.3)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(gathered.ask, number) for number in range(2)]
    for each in asked:
        with pytest.raises(RuntimeError, match="refused"):
            each.result()
