import os
import sys

import numpy as np
import pytest

from cnn_mellin.decoding.forked_map import forked_map

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_results_are_in_order(count):
    assert forked_map(lambda i: (i, i**2), range(count)) == [(i, i**2) for i in range(count)]


@linux
def test_each_item_but_the_last_has_a_process_of_its_own_and_none_is_left():
    processes = forked_map(lambda _: os.getpid(), range(3))
    assert len(set(processes)) == 3
    assert processes[-1] == os.getpid()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@linux
def test_results_larger_than_a_pipe_holds():
    first, second = forked_map(lambda i: np.full(300_000, i), [1, 2])
    assert first.sum() == 300_000
    assert second.sum() == 600_000


@linux
@pytest.mark.parametrize("end", [lambda: os._exit(3), lambda: os.kill(os.getpid(), 9), lambda: 1 / 0])
def test_what_a_process_fails_at_is_computed_here(end):
    here = os.getpid()

    def function(item: int) -> int:
        if os.getpid() != here:
            end()
        return item

    assert forked_map(function, [1, 2, 3]) == [1, 2, 3]


@pytest.mark.parametrize("wrong", [0, 2])
def test_errors_are_raised_here_and_no_process_is_left(wrong):
    def function(item: int) -> int:
        if item == wrong:
            raise ValueError(f"item {item} is wrong")
        return item

    num_open = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    with pytest.raises(ValueError, match=f"item {wrong} is wrong"):
        forked_map(function, range(3))
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == num_open
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
