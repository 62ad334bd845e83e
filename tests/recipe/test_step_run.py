import signal
from dataclasses import replace
from typing import Any

import pytest
from cnn_mellin.recipe.executors.local import LocalMachine

from cnn_mellin.errors import UserError
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
        ("cnn-mellin: old\n$ cnn-mellin a\n", True, "its log is empty"),
        ("", True, "its log is empty"),
    ],
)
def test_the_reason_is_what_the_last_attempt_said(records, log, own, line):
    records.log("a").write_text(log)
    assert failure_line(records.log("a"), own=own) == line


def test_only_the_end_of_a_long_log_is_read_and_no_control_character_shown(records):
    records.log("a").write_bytes(b"x" * 300_000 + b"\n\x1b[31mred\x1b[0m\x07 \xff\n10%\r20%\r\n\n")
    assert last_lines(records.log("a"), 2) == "red  \ufffd\n20%"


def test_the_reason_is_part_of_the_error(records):
    runner = StepRunner(records, LocalMachine())
    step = Step("a", "train", ("--read-ini", "nowhere.ini", "--print-ini"), stdout="a.run1", products=("a.run1",))
    with pytest.raises(StepFailed, match="a: ended with status 2: cnn-mellin: nowhere.ini: "):
        runner.run(step)
    assert runner.failed["a"].startswith("ended with status 2: cnn-mellin: nowhere.ini: ")


def test_a_killed_process_is_named_by_its_signal(records, monkeypatch):
    machine = LocalMachine()
    runner = StepRunner(records, machine)
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
    with pytest.raises(StepFailed, match=r"a: it was killed or cancelled \(Killed\): its log is empty"):
        runner.run(Step("a", "train", ("--print-ini",)))


class Waiting(LocalMachine):
    """Stands for a cluster on which a job waits an hour, works for two seconds, and is interrupted once."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses = [75, 0]

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """End immediately."""
        records.write(step.name, "start", {"began": 3600.0})
        records.write(step.name, "exit", {"status": self.statuses.pop(0), "seconds": 2.0})
        return None


def test_the_logged_time_is_the_work_of_all_attempts(records, caplog):
    caplog.set_level("INFO", "cnn_mellin")
    StepRunner(records, Waiting(), num_steps=1).run(Step("a", "train", ("--print-ini",)))
    assert caplog.messages == ["[1/1] a: done in 4 s"]
    assert records.seconds("a") == 4.0
    assert [kind for kind in ("job", "start", "exit") if records.path("a", kind).exists()] == []


class Making(LocalMachine):
    """Stands for processes that exit with given statuses and make given products."""

    def __init__(self, *statuses: int | None, products: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.statuses, self.products = list(statuses), products
        self.jobs: list[dict[str, Any]] = []

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """End immediately with the next status; None stands for a process that was killed."""
        self.jobs.append(job)
        status = self.statuses.pop(0)
        for product in self.products:
            (records.folder / product).write_text("made")
        if status is not None:
            exit_record = {"status": status, "fingerprint": job["fingerprint"], "seconds": 1.0}
            records.write(step.name, "exit", exit_record)
        return None if status is not None else "it was killed or cancelled (Killed)"


STEP = Step("a", "prep", ("prep", "a.txt"), products=("a.txt",))


def test_a_step_that_is_done_already_is_not_run_again(records, caplog):
    caplog.set_level("INFO", "cnn_mellin")
    machine = Making(0, products=("a.txt",))
    runner = StepRunner(records, machine, num_steps=2)
    runner.run(STEP)
    records.delete("a", "done")
    runner.run(STEP)
    assert len(machine.jobs) == 1
    assert caplog.messages == ["[1/2] a: done in 1 s", "[2/2] a: unchanged in 0 s"]
    assert records.read("a", "done") == {"products": (records.read("a", "made") or {})["products"]}


def test_a_changed_product_or_input_runs_the_step_again(records):
    machine = Making(0, 0, 0, products=("a.txt",))
    runner = StepRunner(records, machine)
    runner.run(STEP)
    (records.folder / "a.txt").write_text("changed by hand")
    runner.run(STEP)
    runner.run(replace(STEP, arguments=("prep", "--quick", "a.txt")))
    assert len(machine.jobs) == 3
    assert len({job["fingerprint"] for job in machine.jobs}) == 2


def test_a_missing_product_is_a_failed_step(records):
    runner = StepRunner(records, Making(0))
    with pytest.raises(StepFailed, match=r"a: did not make a.txt: its log is empty"):
        runner.run(STEP)
    failed = records.read("a", "failed")
    assert failed == {"why": "did not make a.txt", "command": "cnn-mellin prep a.txt"}
    assert not records.path("a", "done").exists()


def test_a_failed_step_is_tried_again_by_the_next_run(records):
    machine = Making(2, None, 0, products=("a.txt",))
    runner = StepRunner(records, machine)
    for why in ("ended with status 2", r"it was killed or cancelled \(Killed\)"):
        with pytest.raises(StepFailed, match=f"a: {why}: its log is empty"):
            runner.run(STEP)
    runner.run(STEP)
    assert not records.path("a", "failed").exists()


def test_a_step_that_asks_for_it_again_and_again_is_given_up(records):
    machine = Making(*[75] * 60)
    with pytest.raises(StepFailed, match="a: ended with status 75"):
        StepRunner(records, machine).run(STEP)
    assert len(machine.jobs) == 50


def test_an_interrupted_command_interrupts_the_recipe_and_is_not_a_failed_step(records):
    runner = StepRunner(records, Making(130))
    with pytest.raises(StepFailed, match="a: interrupted"):
        runner.run(STEP)
    assert runner.interrupted
    assert runner.failed == {}


def test_light_steps_run_beside_the_recipe(records):
    machine, here = Making(), Making(0, products=("a.txt",))
    StepRunner(records, machine, here=here).run(replace(STEP, light=True))
    assert len(here.jobs) == 1


def test_a_job_that_an_earlier_run_left_is_waited_for_and_its_result_taken(records, caplog, monkeypatch):
    monkeypatch.setattr("cnn_mellin.recipe.step_run.time.sleep", lambda _seconds: None)
    caplog.set_level("INFO", "cnn_mellin")
    (records.folder / "a.txt").write_text("made")
    fingerprint = records.fingerprint(STEP)
    records.write("a", "job", {"fingerprint": fingerprint, "machine": "slurm"})
    records.write("a", "exit", {"status": 0, "fingerprint": fingerprint, "seconds": 7.0})
    machine = Making()
    answers = iter([True, True, False])
    monkeypatch.setattr(machine, "still_running", lambda _job: next(answers))
    StepRunner(records, machine).run(STEP)
    assert caplog.messages == ["a: waiting for the job of an earlier run", "[1/0] a: done in 7 s"]
    assert machine.jobs == []


def test_a_job_of_other_inputs_is_of_no_use(records):
    records.write("a", "job", {"fingerprint": "of other data", "machine": "slurm"})
    records.write("a", "exit", {"status": 0, "fingerprint": "of other data", "seconds": 7.0})
    machine = Making(0, products=("a.txt",))
    StepRunner(records, machine).run(STEP)
    assert len(machine.jobs) == 1
    assert records.seconds("a") == 1.0


def test_only_the_folders_of_files_that_a_command_is_given_are_created(records):
    step = Step("a", "prep", ("best", "new/a.ini", "speed/raw"), products=("new/a.ini", "speed/raw/ext/a.trn"))
    with pytest.raises(StepFailed, match="did not make new/a.ini, speed/raw/ext/a.trn"):
        StepRunner(records, Making(0)).run(step)
    assert (records.folder / "new").is_dir()
    assert not (records.folder / "speed").exists()


def test_a_refused_submission_and_a_damaged_record_are_failed_steps(records):
    class Refusing(LocalMachine):
        def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
            raise UserError("sbatch refused it")

    runner = StepRunner(records, Refusing())
    with pytest.raises(StepFailed, match="a: could not be started: sbatch refused it"):
        runner.run(Step("a", "train", ("--print-ini",)))
    records.path("b", "job").write_text("{")
    with pytest.raises(StepFailed, match=r"b: cannot be run: .*b.job: is not JSON .*; delete it and run"):
        runner.run(Step("b", "train", ("--print-ini",)))
    assert list(runner.failed) == ["a", "b"]


def test_a_folder_that_the_recipe_did_not_create_is_not_deleted(tmp_path):
    model = tmp_path / "models" / "lcorr"
    model.mkdir(parents=True)
    (model / "model.json").write_text("precious")
    records = StepRecords(tmp_path)
    (tmp_path / "logs").mkdir()
    runner = StepRunner(records, None)  # type: ignore[arg-type]  # no step is run
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    runner._restart_if_changed(step, "of these data")
    assert (model / "model.json").read_text() == "precious"
    runner._restart_if_changed(step, "of other data")
    assert (model / "model.json").read_text() == "precious"


@pytest.mark.parametrize("kind", ["begun", "made"])
def test_results_of_other_inputs_are_deleted(tmp_path, kind):
    (tmp_path / "models" / "lcorr").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    records = StepRecords(tmp_path)
    records.write("train", kind, {"from": "of these data", "products": {}})
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    runner = StepRunner(records, None)  # type: ignore[arg-type]  # no step is run
    if kind == "begun":
        runner._restart_if_changed(step, "of these data")
        assert (tmp_path / "models" / "lcorr").exists()
    runner._restart_if_changed(step, "of other data")
    assert not (tmp_path / "models" / "lcorr").exists()
