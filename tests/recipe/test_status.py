"""Status distinguishes waiting, running, done and failed steps, and counts only the time of work."""

import re
import time

import pytest

from cnn_mellin.recipe.options import RecipeOptions, tiny_sizes, write_options
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.recipe.slurm_queue import job_suffix
from cnn_mellin.recipe.status import recipe_status, step_state
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords

STEP = Step("a", "train", ("--print-ini",), products=("a.ini",))
SLURM = {"machine": "slurm", "id": "101"}


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "steps").mkdir()
    write_options(tmp_path, RecipeOptions(str(tmp_path), "timit", num_seeds=1, sizes=tiny_sizes(), models=("lcorr",)))
    return StepRecords(tmp_path)


@pytest.mark.parametrize(
    ("kept", "going", "queue_state", "state"),
    [
        ({}, True, None, "left"),
        ({"failed": {}}, True, None, "failed"),
        ({"done": {}, "failed": {}}, False, None, "done"),
        ({"job": {"machine": "local"}, "start": {"began": 1.0}}, True, None, "running"),
        ({"job": {"machine": "local"}, "start": {"began": 1.0}}, False, None, "left"),
        ({"job": SLURM}, True, None, "waiting"),
        ({"job": SLURM}, False, "PENDING", "waiting"),
        ({"job": SLURM, "start": {"began": 1.0}}, False, "RUNNING", "running"),
        ({"job": SLURM, "start": {"began": 1.0}}, False, None, "running"),
        ({"job": SLURM, "start": {"began": 1.0}}, True, "PENDING", "waiting"),  # put back into the queue
        ({"job": SLURM}, False, "CANCELLED", "left"),
        ({"job": SLURM}, False, "", "left"),
        ({"job": SLURM, "start": {"began": 1.0}}, False, "TIMEOUT", "failed"),
        ({"job": SLURM, "exit": {"status": 2}}, False, "FAILED", "failed"),
        ({"job": SLURM, "exit": {"status": 75}}, False, "PENDING", "waiting"),
        ({"job": SLURM, "exit": {"status": 75}}, False, "COMPLETED", "left"),
        ({"job": SLURM, "exit": {"status": 0}}, False, "COMPLETED", "done"),
        ({"job": SLURM, "exit": {"status": 0}}, True, "COMPLETED", "running"),
    ],
)
def test_states(records, kept, going, queue_state, state):
    (records.folder / "a.ini").write_text("")
    for kind, content in kept.items():
        records.write("a", kind, content)
    assert step_state(STEP, records, going=going, queue_state=queue_state) == state


def table(text: str) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()[1:]) for line in text.split("\n\n")[1].splitlines()}


def test_a_waiting_job_is_not_running_and_counts_no_time(records, fake_slurm):
    suffix = job_suffix(records.folder)
    name = "train-lcorr-fbank-81-10ms-seed1"
    job = {"machine": "slurm", "began": time.time() - 7200, "cluster": "east"}
    for step, number, state in ((name, "101", "PENDING"), ("prep-fbank-81-10ms", "102", "RUNNING")):
        records.write(step, "job", {**job, "id": number, "job_name": f"{step}-{suffix}"})
        queue = fake_slurm.folder / "queue.east"
        fake_slurm.says(
            "queue.east", (queue.read_text() if queue.exists() else "") + f"{number}|{state}|{step}-{suffix}\n"
        )
    records.write("prep-fbank-81-10ms", "start", {"began": time.time() - 180})
    shown = recipe_status(records.folder)
    assert shown.startswith(
        f"{records.folder}: not running, but 2 of its jobs are; run the same command to wait for them"
    )
    assert table(shown)["stage"] == "done waiting running failed left work"
    assert table(shown)["train"] == "- 1 - - - -"
    assert table(shown)["prep"] == "- - 1 - - -"
    assert f"waiting:\n  {name} (job 101)" in shown
    assert "running:\n  prep-fbank-81-10ms (job 102, 3 min): " in shown
    fake_slurm.says("squeue.error", "slurm_load_jobs error\n")  # then the records are what is known
    assert table(recipe_status(records.folder))["train"] == "- 1 - - - -"


def test_a_finished_recipe_shows_its_time_of_work(records):
    from cnn_mellin.recipe.options import read_options

    steps = plan_recipe(read_options(records.folder))
    for step in steps:
        records.write(step.name, "done", {})
        records.write(step.name, "made", {"from": "", "products": {}, "seconds": 90.0})
    shown = recipe_status(records.folder)
    assert shown.startswith(f"{records.folder}: finished\n")
    assert table(shown)["train"] == "1 - - - - 90 s"
    assert table(shown)["decode"] == "5 - - - - 8 min"
    records.delete("report", "done")
    assert recipe_status(records.folder).startswith(f"{records.folder}: not running; run the same command to resume\n")
    records.write("report", "failed", {"why": "ended with status 2"})
    shown = recipe_status(records.folder)
    assert shown.startswith(f"{records.folder}: not running, 1 step failed; run the same command to resume\n")
    assert re.search(r"report ended with status 2; the end of \S*report.log:", shown)
