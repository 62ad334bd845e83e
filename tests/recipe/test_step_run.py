import signal
from typing import Any

import pytest

from cnn_mellin.errors import UserError
from cnn_mellin.recipe.executors.local import LocalMachine
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import StepFailed, StepRunner, failure_line, last_lines


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "steps").mkdir()
    (tmp_path / "logs").mkdir()
    return StepRecords(tmp_path)


@pytest.mark.parametrize(
    ("log", "own", "line"),
    [
        ("cnn-mellin: old\n$ cnn-mellin a\ncnn-mellin: new\n", True, "cnn-mellin: new"),
        ("$ cnn-mellin a\ncnn-mellin: why\nresource_tracker: leaked\n  warnings.warn(\n", True, "cnn-mellin: why"),
        ("$ cnn-mellin a\ncnn-mellin train: error: no such option\n", True, "cnn-mellin train: error: no such option"),
        ("$ cnn-mellin a\ncnn-mellin: a warning\nTraceback\n  x\nKeyError: 3\n", True, "KeyError: 3"),
        ("$ cnn-mellin a\ncnn-mellin: a warning\nslurmstepd: OOM\n", False, "slurmstepd: OOM"),
        ("cnn-mellin: old\n$ cnn-mellin a\n", True, "it said nothing"),
        ("", True, "it said nothing"),
    ],
)
def test_the_reason_is_what_the_last_attempt_said(records, log, own, line):
    records.log("a").write_text(log)
    assert failure_line(records.log("a"), own=own) == line


def test_only_the_end_of_a_long_log_is_read_and_no_control_character_shown(records):
    records.log("a").write_bytes(b"x" * 300_000 + b"\n\x1b[31mred\x1b[0m\x07 \xff\n10%\r20%\r\n\n")
    assert last_lines(records.log("a"), 2) == "red  \ufffd\n20%"


def test_the_reason_is_in_what_the_recipe_says(records):
    runner = StepRunner(records, LocalMachine(), say=lambda _line: None)
    step = Step("a", "train", ("--read-ini", "nowhere.ini", "--print-ini"), stdout="a.run1", products=("a.run1",))
    with pytest.raises(StepFailed, match="a: ended with status 2: cnn-mellin: nowhere.ini: "):
        runner.run(step)
    assert runner.failed["a"].startswith("ended with status 2: cnn-mellin: nowhere.ini: ")


def test_a_killed_process_is_named_by_its_signal(records, monkeypatch):
    machine = LocalMachine()
    runner = StepRunner(records, machine, say=lambda line: None)
    real = LocalMachine.run

    def killed(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        import threading

        def kill() -> None:
            while not self._running:
                pass
            for process in list(self._running):
                process.send_signal(signal.SIGKILL)

        threading.Thread(target=kill).start()
        return real(self, step, records, job)

    monkeypatch.setattr(LocalMachine, "run", killed)
    with pytest.raises(StepFailed, match=r"a: it was killed or cancelled \(Killed\): it said nothing"):
        runner.run(Step("a", "train", ("--print-ini",)))


class Waiting(LocalMachine):
    """Stands for a cluster on which a job waits an hour and works for two seconds, once told to stop on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses = [75, 0]

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """End at once."""
        records.write(step.name, "start", {"began": 3600.0})
        records.write(step.name, "exit", {"status": self.statuses.pop(0), "seconds": 2.0})
        return None


def test_the_time_told_is_that_of_work_in_all_attempts(records):
    said: list[str] = []
    StepRunner(records, Waiting(), say=said.append, num_steps=1).run(Step("a", "train", ("--print-ini",)))
    assert said == ["[1/1] a: done in 4 s"]
    assert records.seconds("a") == 4.0
    assert [kind for kind in ("job", "start", "exit") if records.path("a", kind).exists()] == []


def test_what_a_machine_refuses_and_a_damaged_record_are_failed_steps(records):
    class Refusing(LocalMachine):
        def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
            raise UserError("sbatch refused it")

    runner = StepRunner(records, Refusing(), say=lambda _line: None)
    with pytest.raises(StepFailed, match="a: could not be started: sbatch refused it"):
        runner.run(Step("a", "train", ("--print-ini",)))
    records.path("b", "job").write_text("{")
    with pytest.raises(StepFailed, match=r"b: cannot be run: .*b.job: is not JSON .*; delete it and run"):
        runner.run(Step("b", "train", ("--print-ini",)))
    assert list(runner.failed) == ["a", "b"]


def test_a_folder_that_the_recipe_did_not_begin_is_not_deleted(tmp_path):
    model = tmp_path / "models" / "lcorr"
    model.mkdir(parents=True)
    (model / "model.json").write_text("precious")
    records = StepRecords(tmp_path)
    (tmp_path / "logs").mkdir()
    runner = StepRunner(records, None)  # type: ignore[arg-type]  # no step is run
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    runner._start_anew_if_changed(step, "of these data")
    assert (model / "model.json").read_text() == "precious"
    runner._start_anew_if_changed(step, "of other data")
    assert (model / "model.json").read_text() == "precious"


@pytest.mark.parametrize("kind", ["begun", "made"])
def test_what_an_earlier_run_began_from_something_else_is_deleted(tmp_path, kind):
    (tmp_path / "models" / "lcorr").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    records = StepRecords(tmp_path)
    records.write("train", kind, {"from": "of these data", "products": {}})
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    runner = StepRunner(records, None)  # type: ignore[arg-type]  # no step is run
    if kind == "begun":
        runner._start_anew_if_changed(step, "of these data")
        assert (tmp_path / "models" / "lcorr").exists()
    runner._start_anew_if_changed(step, "of other data")
    assert not (tmp_path / "models" / "lcorr").exists()
