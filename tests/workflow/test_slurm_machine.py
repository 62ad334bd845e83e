"""Steps as jobs of a real Slurm cluster of one node, without accounting."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.workflow.recipe_step import Step
from cnn_mellin.workflow.slurm_machine import SlurmMachine
from cnn_mellin.workflow.step_record import StepRecords
from cnn_mellin.workflow.step_run import StepFailed, StepRunner

pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")

PROFILE = "machine: slurm\njobs: 4\npoll_s: 0.5\noptions: [--cpus-per-task=1, --requeue]\n"
SMALL = ["--tiny", "--seeds", "1", "--search", "--set", "beam_widths=2", "lm_betas=0.2", "speaking_rates=1"]
SMALL += ["num_epochs=1", "num_trials_sm=3", "num_trials_lg=2", "num_trials_md=2"]


def step(name: str, *arguments: str, **more) -> Step:
    return Step(name, "train", arguments, **more)


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "steps").mkdir()
    return StepRecords(tmp_path)


def test_a_job_runs_its_command_and_its_end_is_known(slurm, records):
    machine = SlurmMachine(records.folder, poll_s=0.3)
    runner = StepRunner(records, machine, say=lambda _line: None)
    good = step("good", "--print-ini", stdout="out.ini", products=("out.ini",))
    runner.run(good)
    assert "window_size" in (records.folder / "out.ini").read_text()
    with pytest.raises(StepFailed, match="bad: ended with status 2: cnn-mellin: nowhere: there is no such folder"):
        runner.run(step("bad", "data", "info", "nowhere"))
    assert not records.path("bad", "done").exists()


def test_steps_that_are_ready_together_are_tasks_of_one_array(slurm, records):
    runner = StepRunner(records, SlurmMachine(records.folder, poll_s=0.3), say=lambda _line: None)
    steps = [step(f"s{i}", "data", "info", f"nowhere{i}") for i in range(3)]
    steps.append(step("other", "--print-ini", stdout="out.ini", products=("out.ini",)))

    def run(each: Step) -> str:
        try:
            runner.run(each)
        except StepFailed as failed:
            return str(failed)
        return "done"

    with ThreadPoolExecutor(4) as threads:
        ended = list(threads.map(run, steps))
    there_is_none = [f"s{i}: ended with status 2: cnn-mellin: nowhere{i}: there is no such folder" for i in range(3)]
    assert [line[: len(wanted)] for line, wanted in zip(ended, [*there_is_none, "done"], strict=True)] == [
        *there_is_none,
        "done",
    ]
    (array,) = (records.folder / "logs" / "arrays").iterdir()
    assert {link.readlink().stem for link in array.iterdir()} == {"s0", "s1", "s2", "other"}


def test_a_task_of_an_array_is_found_again_and_not_submitted_twice(slurm, records):
    steps = [step(f"s{i}", "--print-ini", stdout=f"{i}.ini", products=(f"{i}.ini",)) for i in range(2)]
    submits = SlurmMachine(records.folder, ("--begin=now+1hour",), poll_s=0.3)
    with ThreadPoolExecutor(2) as threads:
        ids = [threads.submit(submits._submissions.ask, each) for each in steps]
    array, _, task = ids[1].result().partition("_")
    assert ids[0].result() == f"{array}_{1 - int(task)}"
    another = SlurmMachine(records.folder, poll_s=0.3)  # of a recipe that was killed before it had written the ids
    assert [another._submitted(each) for each in steps] == [each.result() for each in ids]
    subprocess.run(["scancel", ids[1].result()], check=True)
    assert another._submitted(steps[1]) is None
    assert another._submitted(steps[0]) == ids[0].result()
    subprocess.run(["scancel", array], check=True)


def test_without_arrays_each_step_is_a_job(slurm, records):
    machine = SlurmMachine(records.folder, ("--begin=now+1hour",), poll_s=0.3, arrays=False)
    with ThreadPoolExecutor(2) as threads:
        ids = list(threads.map(machine._submissions.ask, [step(f"s{i}", "--print-ini") for i in range(2)]))
    assert all(each.isdigit() for each in ids)
    assert ids[0] != ids[1]
    subprocess.run(["scancel", *ids], check=True)


@pytest.mark.timeout(60)
def test_a_cancelled_job_is_noticed_within_a_minute(slurm, records):
    machine = SlurmMachine(records.folder, ("--begin=now+1hour",), poll_s=0.3)
    runner = StepRunner(records, machine, say=lambda _line: None)
    pid = os.fork()
    if pid == 0:
        for _ in range(600):
            job = records.read("waits", "job") or {}
            if "id" in job:
                subprocess.run(["scancel", job["id"]], check=False)
                break
            time.sleep(0.1)
        os._exit(0)
    with pytest.raises(StepFailed, match="waits: it was killed or cancelled"):
        runner.run(step("waits", "--print-ini"))
    os.waitpid(pid, 0)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_training_told_to_stop_is_submitted_again_and_goes_on(slurm, small_corpus, records):
    assert main(["--quiet", "prep", "timit", str(small_corpus), str(records.folder / "data"), "--partial"]) == 0
    start = Path(__file__).parents[2] / "conf" / "model" / "demo-lcorr.ini"
    (records.folder / "a.ini").write_text(start.read_text().replace("num_epochs = 8", "num_epochs = 30"))
    data = "data/fbank-81-10ms"
    train = ("--read-ini", "a.ini", "train", f"{data}/train", f"{data}/dev", "model", "--seed", "1")
    runner = StepRunner(records, SlurmMachine(records.folder, poll_s=0.3), say=lambda _line: None)
    pid = os.fork()
    if pid == 0:
        for _ in range(1000):
            log = records.log("told")
            if log.exists() and "epoch 1/" in log.read_text():
                job = records.read("told", "job") or {}
                subprocess.run(["scancel", "--signal=USR1", "--batch", job["id"]], check=False)
                break
            time.sleep(0.05)
        os._exit(0)
    runner.run(step("told", *train, products=("model/checkpoints.json",), resumes=("model",)))
    os.waitpid(pid, 0)
    log = records.log("told").read_text()
    assert log.count("$ cnn-mellin") == 2
    assert "SIGUSR1: " in log
    assert log.count("epoch 1/30") == 1
    assert log.count("epoch 30/30") == 1


def arguments(corpus: Path, folder: Path, *more: str) -> list[str]:
    return ["recipe", str(corpus), str(folder), *SMALL, *more]


def table(folder: Path) -> dict:
    return {path.name: json.loads(path.read_text())["systems"] for path in sorted(folder.glob("comparison/*.json"))}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_and_with_a_job_cancelled_it_ends_with_the_table_of_a_local_run(
    slurm, postgresql_server, small_corpus, tmp_path, capsys
):
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE)
    cluster, local = tmp_path / "cluster", tmp_path / "local"
    url = postgresql_server.new_database("recipe")
    on_cluster = arguments(small_corpus, cluster, "--profile", str(profile), "--db-url", url)
    records = StepRecords(cluster)
    command = [sys.executable, "-m", "cnn_mellin.cli.main", *on_cluster]

    def wait_for(job: str) -> str:
        until = time.monotonic() + 120
        while "id" not in (records.read(job, "job") or {}):
            assert time.monotonic() < until, (records.folder / "logs").iterdir()
            time.sleep(0.1)
        return str((records.read(job, "job") or {})["id"])

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as controller:
        wait_for("model-mcorr-sm-fbank-81-10ms-run1")
        cancelled = wait_for("model-lcorr-sm-fbank-81-10ms-run1")
        subprocess.run(["scancel", cancelled], check=True)
        controller.send_signal(signal.SIGKILL)
    capsys.readouterr()
    assert main(on_cluster) == 0
    printed = capsys.readouterr().out
    for waited_for_or_anew in ("model-mcorr-sm-fbank-81-10ms-run1", "model-lcorr-sm-fbank-81-10ms-run1"):
        assert f"] {waited_for_or_anew}: done in " in printed
    # the job that went on was waited for, not submitted again: its log has one command
    log = records.log("model-mcorr-sm-fbank-81-10ms-run1").read_text()
    assert log.count("$ cnn-mellin") == 1
    assert main(["recipe", "status", str(cluster)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert {row[0] for row in rows} >= {"prep", "model-sm", "model-lg", "train-sm", "train-md", "train", "report"}
    assert all(row[2:5] == ["-", "-", "-"] for row in rows)
    assert main(arguments(small_corpus, local)) == 0
    assert table(cluster) == table(local)
    assert len(table(local)) == 4
