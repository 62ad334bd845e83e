import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from cnn_mellin.decoding import forked_map as module
from cnn_mellin.decoding.forked_map import forked_map

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
HERE = os.getpid()


def square(number: int) -> int:
    return number**2


def process_id(_: object) -> int:
    return os.getpid()


def ones(size: int) -> np.ndarray:
    return np.ones(size)


def fail_elsewhere(end: str) -> str:
    if os.getpid() != HERE:
        {"exit": lambda: os._exit(3), "kill": lambda: os.kill(os.getpid(), 9), "raise": lambda: 1 // 0}[end]()
    return end


def refuse_two(number: int) -> int:
    if number == 2:
        raise ValueError("2 is wrong")
    return number


def described(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: (str(array.dtype), array.shape, array.tolist()) for name, array in arrays.items()}


def open_files(_: object) -> list[str]:
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd") if int(name) > 2]
    return [os.readlink(path) for path in paths if os.path.lexists(path)]


@pytest.fixture(autouse=True)
def own_pool(monkeypatch):
    """A pool of workers that starts and ends with the test."""
    monkeypatch.setattr(module, "_pool", None)
    yield
    pool = module._pool
    for process in pool._kept if pool else []:
        process.end()
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_results_are_in_order(count):
    assert forked_map(square, range(count)) == [i**2 for i in range(count)]


@linux
def test_each_item_but_the_last_gets_a_worker_that_is_reused():
    first, second, here = forked_map(process_id, range(3))
    assert len({first, second, here}) == 3
    assert here == HERE
    assert forked_map(process_id, range(2)) == [first, here]
    assert forked_map(process_id, range(4))[:2] == [first, second]


@linux
def test_items_and_results_may_exceed_the_capacity_of_a_pipe():
    first, second, third = forked_map(ones, [300_000, 400_000, 500_000])
    assert (first.sum(), second.sum(), third.sum()) == (300_000, 400_000, 500_000)
    assert forked_map(np.sum, [first, second, third]) == [300_000, 400_000, 500_000]
    assert forked_map(np.sum, [first[:0], second[::2], third]) == [0, 200_000, 500_000]


@linux
@pytest.mark.parametrize("sizes", [(10, 20, 5), (100_000, 0, 300_000, 3, 70_000)])
def test_arrays_of_consecutive_calls_are_not_mixed_up(sizes):
    for value, size in enumerate(sizes):
        assert forked_map(np.sum, [np.full(size, value), np.full(size, value)]) == [value * size] * 2


@linux
def test_arrays_of_an_item_keep_dtypes_and_order():
    arrays = {"a": np.arange(12, dtype=np.int16).reshape(3, 4).T, "b": np.zeros((0, 2)), "c": np.array([1.5])}
    there, here = forked_map(described, [arrays, arrays])
    assert there == here
    assert there["a"] == ("int16", (4, 3), [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]])


@linux
@pytest.mark.parametrize("end", ["exit", "kill", "raise"])
def test_an_item_whose_worker_fails_is_computed_by_the_caller(end):
    before = forked_map(process_id, range(3))
    assert forked_map(fail_elsewhere, [end] * 3) == [end] * 3
    after = forked_map(process_id, range(3))
    assert len(set(after)) == 3
    assert (before == after) == (end == "raise")  # a worker that has ended is replaced


@linux
def test_a_worker_killed_between_calls_is_replaced():
    process, _ = forked_map(process_id, range(2))
    os.kill(process, signal.SIGKILL)
    time.sleep(0.05)
    assert forked_map(square, [5, 6]) == [25, 36]
    assert forked_map(process_id, range(2))[0] not in (process, HERE)


@pytest.mark.parametrize("items", [[2, 0, 1], [0, 1, 2]])
def test_errors_are_raised_in_the_caller_and_do_not_affect_the_next_call(items):
    with pytest.raises(ValueError, match="2 is wrong"):
        forked_map(refuse_two, items)
    assert forked_map(square, [3, 4, 5]) == [9, 16, 25]


@linux
def test_a_worker_keeps_no_inherited_file_open(tmp_path):
    with open(tmp_path / "held", "w"):
        there, here = forked_map(open_files, range(2))
    assert str(tmp_path / "held") in here
    assert str(tmp_path / "held") not in there
    assert sum(name.startswith("socket:") for name in there) == 1
    assert len(there) == 2  # the pipe, and the file that arrays are written to


@linux
def test_a_second_thread_computes_its_items_itself():
    forked_map(square, [1, 2])
    found = []
    pool = module._pool
    assert pool is not None
    with pool.lock:
        thread = threading.Thread(target=lambda: found.extend(forked_map(process_id, range(2))))
        thread.start()
        thread.join()
    assert found == [HERE, HERE]


@linux
def test_a_forked_process_forks_its_own_workers():
    mine, _ = forked_map(process_id, range(2))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            others = forked_map(process_id, range(2))
            os.write(writing, f"{mine in others} {os.getpid() in others}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"False True"
    os.close(reading)
    os.close(writing)
    assert forked_map(process_id, range(2)) == [mine, HERE]


@pytest.mark.slow
@linux
@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)"])
def test_workers_end_with_their_parent(end):
    program = (
        "import os; from cnn_mellin.decoding.forked_map import forked_map; "
        f"print(len(forked_map(str, [0] * 3)), flush=True); {end}"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as started:
        # the output ends when no process holds it open
        assert started.communicate(timeout=30)[0] == b"3\n"
