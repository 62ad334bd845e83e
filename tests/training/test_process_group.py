from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cnn_mellin.errors import DataError
from cnn_mellin.training.process_group import ProcessGroup, first_to_complain, process_group

TESTS = Path(__file__).parents[1]

# Three processes make the calls of one function each; they print what they have found as JSON.
_SCRIPT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import launcher, torch
from cnn_mellin.errors import DataError, OtherProcessError, ProcessLostError
from cnn_mellin.training.process_group import first_to_complain, process_group

def outcome(call):
    try:
        return call()
    except OtherProcessError as error:
        return ["other", str(error), error.is_user_error]
    except Exception as error:
        return [type(error).__name__, str(error)]

def fail_in(group, rank, error):
    def call():
        if group.rank == rank:
            raise error
        return group.rank
    return call

def report(found):
    os.write(1, (json.dumps(found) + "\\n").encode())  # in one piece, as the processes share the pipe

def main(_arguments):
    found = {}
    with process_group() as group:
        found["rank"] = group.rank
        found["gathered"] = group.gather({"rank": group.rank})
        found["exchanged"] = group.exchange([group.rank, 7])
        values = torch.tensor([1.0, group.rank])
        group.sum(values)
        found["summed"] = values.tolist()
        found["together"] = outcome(lambda: group.together(lambda: group.rank))
        found["user error"] = outcome(lambda: group.together(fail_in(group, 2, DataError("x: is damaged"))))
        found["fault"] = outcome(lambda: group.together(fail_in(group, 0, KeyError("k"))))
        found["first"] = outcome(lambda: group.on_first(lambda: ["from", group.rank]))
        found["first fails"] = outcome(lambda: group.on_first(fail_in(group, 0, DataError("y: is damaged"))))
        found["devices"] = [str(group.own_device(name)) for name in ("cuda", "cuda:0", "cpu")]
        found["complains"] = first_to_complain()
        if group.rank == 1:
            report(found)
            os._exit(0)
        found["lost"] = outcome(lambda: group.gather(1))
    report(found)
    os._exit(0)

launcher.main = main
launcher.run(3, [])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_processes_share_results_and_failures():
    command = [sys.executable, "-c", _SCRIPT, str(TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == 3, done.stderr
    found.sort(key=lambda of_one: of_one["rank"])
    for rank, of_one in enumerate(found):
        assert of_one["gathered"] == [{"rank": 0}, {"rank": 1}, {"rank": 2}]
        assert of_one["exchanged"] == [[0, 7], [1, 7], [2, 7]]
        assert of_one["summed"] == [3, 3]
        assert of_one["together"] == rank
        own, others = ["DataError", "x: is damaged"], ["other", "x: is damaged", True]
        assert of_one["user error"] == (own if rank == 2 else others)
        assert of_one["fault"] == (["KeyError", "'k'"] if rank == 0 else ["other", "KeyError: 'k'", False])
        assert of_one["first"] == ["from", 0]
        own, others = ["DataError", "y: is damaged"], ["other", "y: is damaged", True]
        assert of_one["first fails"] == (own if rank == 0 else others)
        assert of_one["devices"] == [f"cuda:{rank}", "cuda:0", "cpu"]
    assert sorted(of_one["complains"] for of_one in found) == [False, False, True]
    for rank in (0, 2):
        assert found[rank]["lost"][0] == "ProcessLostError"


# Process 1 lives, but has closed its lifeline: what gloo has not noticed.
_UNNOTICED = """
import sys, time
from cnn_mellin.errors import ProcessLostError
from cnn_mellin.training.process_group import process_group

try:
    with process_group() as group:
        group.gather(group.rank)
        if group.rank == 1:
            group._lifeline.close()
            time.sleep(100)
        group.gather(group.rank)
except ProcessLostError as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
def test_a_death_that_gloo_does_not_notice_is_noticed_and_the_process_ends(free_port):
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port)}
    first, other = (
        subprocess.Popen(
            [sys.executable, "-c", _UNNOTICED],
            env={**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    )
    try:
        _, problems = first.communicate(timeout=60)
        assert other.poll() is None
    finally:
        first.kill()
        other.kill()
        other.communicate()
    assert first.returncode == 1
    assert problems == "another process of this training has ended; run the same command again to resume\n"


def test_one_process_needs_no_launcher():
    with process_group() as group:
        assert (group.rank, group.size, group.is_first) == (0, 1, True)
        assert group.gather(5) == [5]
        assert group.exchange([1, 2]) == [[1, 2]]
        values = torch.ones(3)
        group.sum(values)
        assert values.tolist() == [1, 1, 1]
        with pytest.raises(DataError, match="damaged"):
            group.together(fail)
        with pytest.raises(DataError, match="damaged"):
            group.on_first(fail)
        assert not group.lost_launcher()
    assert first_to_complain()
    assert ProcessGroup().own_device("cuda") == "cuda"


def fail() -> None:
    raise DataError("x: is damaged")
