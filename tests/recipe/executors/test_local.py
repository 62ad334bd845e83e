"""Steps as processes on this machine."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnn_mellin.recipe.executors.local import LocalMachine
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords

STEP = Step("a", "train", ("--print-ini",))


class FakeModule:
    """Stands for Python: a program that runs a shell script instead of `cnn_mellin.cli.step`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "python"

    def does(self, script: str) -> None:
        self.path.write_text(f"#!/bin/sh\n{script}\n")
        self.path.chmod(0o755)


@pytest.fixture
def records(tmp_path) -> StepRecords:
    return StepRecords(tmp_path)


@pytest.fixture
def python(tmp_path, monkeypatch) -> FakeModule:
    fake = FakeModule(tmp_path)
    monkeypatch.setattr("sys.executable", str(fake.path))
    return fake


@pytest.fixture
def machine() -> Iterator[LocalMachine]:
    machine = LocalMachine(threads=3)
    yield machine
    machine.stop()


def wait_for(path: Path) -> None:
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, path
        time.sleep(0.01)


def test_a_process_gets_folder_name_and_threads_and_writes_to_the_log(records, python, machine, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    python.does('echo "$@" $OMP_NUM_THREADS; echo a problem >&2')
    job: dict[str, Any] = {"arguments": ["--print-ini"], "began": 1.0}
    assert machine.run(STEP, records, job) == "ended with status 0"
    assert records.log("a").read_text() == (f"-m cnn_mellin.cli.step {records.folder} a --attached 3\na problem\n")
    assert records.read("a", "job") == {**job, "machine": "local"}
    start = records.read("a", "start")
    assert start is not None
    assert abs(start["began"] - time.time()) < 60


def test_the_users_number_of_threads_has_precedence(records, python, machine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    python.does("echo $OMP_NUM_THREADS")
    machine.run(STEP, records, {})
    assert records.log("a").read_text() == "7\n"


def test_the_exit_record_of_an_earlier_run_is_deleted_and_the_log_kept(records, python, machine):
    records.write("a", "exit", {"status": 0})
    records.log("a").parent.mkdir()
    records.log("a").write_text("before\n")
    python.does("echo now; exit 3")
    assert machine.run(STEP, records, {}) == "ended with status 3"
    assert records.read("a", "exit") is None
    assert records.log("a").read_text() == "before\nnow\n"


def test_a_signal_that_ended_the_process_is_named(records, python, machine):
    python.does(f"kill -{int(signal.SIGKILL)} $$")
    assert machine.run(STEP, records, {}) == "it was killed or cancelled (Killed)"


def test_stop_terminates_running_processes(records, python, machine):
    python.does(f"touch {records.folder}/running; exec sleep 60")
    reasons: list[str | None] = []
    thread = threading.Thread(target=lambda: reasons.append(machine.run(STEP, records, {})))
    thread.start()
    wait_for(records.folder / "running")
    machine.stop()
    thread.join(20)
    assert reasons == ["it was killed or cancelled (Terminated)"]


def test_the_process_reads_from_a_pipe_that_closes_with_the_recipe(records, tmp_path):
    """A killed recipe leaves no process behind: the process of a step ends when its standard input does."""
    module = f"""
import os, sys
from pathlib import Path

from cnn_mellin.recipe.executors.local import LocalMachine
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
sys.executable = {str(tmp_path / "python")!r}
LocalMachine().run(Step("a", "train", ()), StepRecords(Path({str(tmp_path)!r})), {{}})
"""
    FakeModule(tmp_path).does(
        f"echo $$ > {tmp_path}/number; mv {tmp_path}/number {tmp_path}/pid; cat; touch {tmp_path}/ended"
    )
    recipe = os.posix_spawn(sys.executable, [sys.executable, "-c", module], os.environ)
    wait_for(tmp_path / "pid")
    os.kill(recipe, signal.SIGKILL)
    os.waitpid(recipe, 0)
    wait_for(tmp_path / "ended")


def test_no_process_outlives_the_recipe_so_none_is_waited_for(machine):
    assert not machine.still_running({"machine": "local", "began": 1.0})
    machine.leave()
