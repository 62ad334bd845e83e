"""Steps as jobs of a real Slurm cluster of one node, without accounting."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.recipe import slurm_jobs
from cnn_mellin.recipe.slurm_jobs import StepJob, job_status, sbatch_options, submit_step
from cnn_mellin.recipe.slurm_queue import job_suffix
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import failure_line

pytestmark = pytest.mark.slow
pytest.importorskip("snakemake", reason="snakemake (the extra workflow) is not installed")

PROFILE = """\
executor: cluster-generic
cluster-generic-submit-cmd: cnn-mellin step submit --poll-s 0.5
cluster-generic-status-cmd: cnn-mellin step status --poll-s 0.5
jobs: 4
local-cores: 2
seconds-between-status-checks: 1
max-status-checks-per-second: 50
latency-wait: 30
default-resources:
  mem_mb: 1000
  runtime: 60
  slurm_extra: "'--requeue'"
set-resources:
  prep:
    mem_mb: 1000
  speed:
    mem_mb: 1000
  study_run:
    mem_mb: 1000
  train:
    mem_mb: 1000
  decode:
    mem_mb: 1000
"""
SMALL = ["--tiny", "--seeds", "1", "--search", "--set", "beam_widths=2", "lm_betas=0.2", "speaking_rates=1"]
SMALL += ["num_epochs=1", "num_trials_sm=3", "num_trials_lg=2", "num_trials_md=2"]


class StepFailed(Exception):  # noqa: N818 (what the step did)
    """A step has failed, for the reason in its records."""


def step(name: str, *arguments: str, **more) -> Step:
    return Step(name, "train", arguments, **more)


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "steps").mkdir()
    return StepRecords(tmp_path)


def jobscript(records: StepRecords, name: str, extra: str = "") -> Path:
    """A job script as Snakemake writes it."""
    about = {"output": [f"steps/{name}.done"], "threads": 1, "resources": {"mem_mb": 500, "slurm_extra": extra}}
    path = records.folder / f"{name}.sh"
    path.write_text(f"#!/bin/sh\n# properties = {json.dumps(about)}\nsnakemake --mode remote\n")
    return path


def submission(records: StepRecords, name: str, extra: str = "", poll_s: float = 0.01) -> StepJob:
    return StepJob(records.folder, name, {"threads": 1, "mem_mb": 500, "slurm_extra": extra}, poll_s)


def run(records: StepRecords, each: Step, extra: str = "", poll_s: float = 0.3, plan: bool = True) -> None:
    """Submit a step, and poll its job as Snakemake does until it has ended."""
    if plan:
        records.write_plan([each])
    try:
        job = submit_step(records.folder, jobscript(records, each.name, extra), poll_s)
        while (status := job_status(records.folder, job, poll_s)) == "running":
            time.sleep(poll_s)
    except UserError:
        status = "failed"
    if status == "failed":
        failed = records.read(each.name, "failed") or {}
        reason = failed.get("reason") or failure_line(records.log(each.name), own=True)
        raise StepFailed(f"{each.name}: {failed['why']}: {reason}")
    assert status == "success"


def test_a_job_runs_its_command_and_its_end_is_known(slurm, records):
    run(records, step("good", "--print-ini", stdout="out.ini", products=("out.ini",)))
    assert "window_size" in (records.folder / "out.ini").read_text()
    with pytest.raises(StepFailed, match="bad: ended with status 2: cnn-mellin: nowhere: there is no such folder"):
        run(records, step("bad", "data", "info", "nowhere"))
    assert not records.path("bad", "done").exists()


def test_a_job_is_found_again_and_not_submitted_twice(slurm, records):
    steps = [step(f"s{i}", "--print-ini", stdout=f"{i}.ini", products=(f"{i}.ini",)) for i in range(2)]
    records.write_plan(steps)
    scripts = [jobscript(records, each.name, "--begin=now+1hour") for each in steps]
    jobs = [submit_step(records.folder, script, 0.3) for script in scripts]
    assert len(set(jobs)) == 2
    records.write("s1", "job", {"machine": "slurm"})  # of a recipe that was killed before it had written the number
    assert [submit_step(records.folder, script, 0.3) for script in scripts] == jobs
    subprocess.run(["scancel", jobs[1].partition(":")[0]], check=True)
    again = submit_step(records.folder, scripts[1], 0.3)
    assert again != jobs[1]
    assert submit_step(records.folder, scripts[0], 0.3) == jobs[0]
    subprocess.run(["scancel", *(job.partition(":")[0] for job in (jobs[0], again))], check=True)


@pytest.mark.timeout(60)
def test_a_cancelled_job_is_noticed_within_a_minute(slurm, records):
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
        run(records, step("waits", "--print-ini"), "--begin=now+1hour")
    os.waitpid(pid, 0)


@pytest.mark.soak
@pytest.mark.timeout(200)
def test_an_interrupted_training_is_submitted_again_and_resumes(slurm, small_corpus, records):
    assert main(["--quiet", "prep", "timit", str(small_corpus), str(records.folder / "data"), "--partial"]) == 0
    start = Path(__file__).parents[2] / "conf" / "model" / "demo-lcorr.ini"
    (records.folder / "a.ini").write_text(start.read_text().replace("num_epochs = 8", "num_epochs = 30"))
    data = "data/fbank-81-10ms"
    train = ("--read-ini", "a.ini", "train", f"{data}/train", f"{data}/dev", "model", "--seed", "1")
    pid = os.fork()
    if pid == 0:
        for _ in range(1000):
            log = records.log("stopped")
            if log.exists() and "epoch 1/" in log.read_text():
                job = records.read("stopped", "job") or {}
                subprocess.run(["scancel", "--signal=USR1", "--batch", job["id"]], check=False)
                break
            time.sleep(0.05)
        os._exit(0)
    run(records, step("stopped", *train, products=("model/checkpoints.json",), resumes=("model",)))
    os.waitpid(pid, 0)
    log = records.log("stopped").read_text()
    assert log.count("$ cnn-mellin") == 2
    assert "SIGUSR1: " in log
    assert log.count("epoch 1/30") == 1
    assert log.count("epoch 30/30") == 1


def arguments(corpus: Path, folder: Path, *more: str) -> list[str]:
    return ["recipe", str(corpus), str(folder), *SMALL, *more]


def table(folder: Path) -> dict:
    return {path.name: json.loads(path.read_text())["systems"] for path in sorted(folder.glob("comparison/*.json"))}


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_after_a_kill_and_a_cancelled_job_the_table_equals_that_of_a_local_run(
    slurm, postgresql_server, small_corpus, tmp_path, capsys
):
    profile = tmp_path / "profile"
    profile.mkdir()
    (profile / "config.yaml").write_text(PROFILE)
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
    for name in ("model-mcorr-sm-fbank-81-10ms-run1", "model-lcorr-sm-fbank-81-10ms-run1"):
        assert f"] {name}: done in " in printed
    # The running job was waited for, not submitted again: its log has one command.
    log = records.log("model-mcorr-sm-fbank-81-10ms-run1").read_text()
    assert log.count("$ cnn-mellin") == 1
    assert main(["recipe", "status", str(cluster)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert {row[0] for row in rows} >= {"prep", "model-sm", "model-lg", "train-sm", "train-md", "train", "report"}
    assert all(row[2:6] == ["-", "-", "-", "-"] for row in rows)
    assert main(arguments(small_corpus, local)) == 0
    assert table(cluster) == table(local)
    assert len(table(local)) == 4


# Answers that a real cluster cannot be made to give come from programs that print what the test wants.


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Shorten the minutes for which an end is waited for to a moment."""
    for name in ("_FILE_SYSTEM_S", "_UNLISTED_S", "_ACCOUNTS_S", "_SUBMISSION_S", "_CLOCKS_S"):
        monkeypatch.setattr(slurm_jobs, name, 0.1)


class Running:
    """A step that a fake cluster's job is to do, run by a thread."""

    def __init__(self, fake_slurm, records: StepRecords, *options: str) -> None:
        self.fake, self.records = fake_slurm, records
        self.step = step("a", "--print-ini")
        self._threads = ThreadPoolExecutor(1)
        self.ended = self._threads.submit(run, records, self.step, " ".join(options), 0.01)

    def submitted(self) -> None:
        """Wait until the job is known by its number."""
        while "id" not in (self.records.read("a", "job") or {}):
            assert self.waits, self.records.read("a", "failed")

    def queue(self, state: str) -> None:
        """Let squeue list the job that was submitted, and wait until that was seen."""
        self.submitted()
        self.fake.says("queue", f"101|{state}|a-{job_suffix(self.records.folder)}\n")
        self.seen()

    def seen(self) -> None:
        self.fake.wait_for_looks(3)

    def begins(self) -> None:
        """Do what the step's process does first."""
        self.records.write("a", "start", {"began": time.time()})

    def ends(self, status: int) -> None:
        """Do what the step's process does last."""
        fingerprint = self.records.fingerprint(self.step)
        if status == 0:
            self.records.finish(self.step, 3.0)
        if status not in (0, 75):
            self.records.write("a", "failed", {"why": f"ended with status {status}"})
        about = {"status": status, "seconds": 3.0, "fingerprint": fingerprint}
        self.records.write(
            "a", "exit", {**about, "began": (self.records.read("a", "start") or {}).get("began", time.time())}
        )
        self.records.delete("a", "start")

    @property
    def waits(self) -> bool:
        return not self.ended.done()

    def result(self) -> None:
        self.ended.result(timeout=20)

    def close(self) -> None:
        """End the thread, also of a test that has failed."""
        while self.waits:
            self.ends(0)
            time.sleep(0.01)
        self._threads.shutdown()


@pytest.fixture
def start(fake_slurm, impatient, records) -> Iterator[Callable[..., Running]]:
    """`start(*options)` begins a step on the fake cluster."""
    started: list[Running] = []

    def begin(*options: str) -> Running:
        started.append(Running(fake_slurm, records, *options))
        return started[-1]

    yield begin
    (fake_slurm.folder / "squeue.error").unlink(missing_ok=True)
    for each in started:
        each.close()


def test_a_job_that_waits_longer_than_any_patience_is_waited_for(fake_slurm, start, records):
    running = start()
    for state in ("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "A_NEW_STATE"):
        running.queue(state)
        time.sleep(0.15)
        assert running.waits
    running.ends(0)
    running.result()
    assert records.seconds("a") == 3.0
    assert records.read("a", "failed") is None


def test_nothing_is_concluded_while_squeue_fails(fake_slurm, start, records):
    running = start()
    running.queue("RUNNING")
    fake_slurm.says("squeue.error", "slurm_load_jobs error: Unable to contact slurm controller\n")
    fake_slurm.says("queue", "")
    running.seen()
    time.sleep(0.3)
    assert running.waits
    running.ends(0)  # the job's own process reports its end, whatever squeue does
    running.result()


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("CANCELLED", "a: it was killed or cancelled: slurmstepd: error"),
        ("TIMEOUT", r"a: it was killed or cancelled \(Slurm reports TIMEOUT for job 101\): slurmstepd: error"),
        (
            "OUT_OF_MEMORY",
            r"a: it was killed or cancelled \(Slurm reports OUT_OF_MEMORY for job 101\): slurmstepd: error",
        ),
        ("FAILED", r"a: it was killed or cancelled \(Slurm reports FAILED for job 101\): slurmstepd: error"),
        ("", r"a: it was killed or cancelled \(squeue does not list job 101\): slurmstepd: error"),
    ],
)
def test_a_job_without_an_exit_status_has_failed_with_slurms_reason(fake_slurm, start, records, state, why):
    running = start()
    running.queue("RUNNING")
    records.log("a").write_text("$ cnn-mellin --print-ini\ncnn-mellin: a warning\nslurmstepd: error\n")
    fake_slurm.says("queue", f"101|{state}|a-{job_suffix(records.folder)}\n" if state else "")
    with pytest.raises(StepFailed, match=why):
        running.result()


def test_a_job_that_squeue_does_not_list_yet_is_given_more_time(fake_slurm, start, records, monkeypatch):
    monkeypatch.setattr(slurm_jobs, "_UNLISTED_S", 20.0)
    running = start()
    running.seen()
    time.sleep(0.3)
    assert running.waits
    running.queue("RUNNING")
    fake_slurm.says("queue", "")
    with pytest.raises(StepFailed, match=r"squeue does not list job 101\): its log is empty"):
        running.result()


def test_sacct_decides_where_squeue_does_not_list_a_job(fake_slurm, start, records, monkeypatch):
    monkeypatch.setattr(slurm_jobs, "_ACCOUNTS_S", 20.0)
    fake_slurm.says("accounts", f"101|RUNNING|a-{job_suffix(records.folder)}\n")
    running = start()
    running.seen()
    time.sleep(0.3)
    assert running.waits
    fake_slurm.says("accounts", f"101|NODE_FAIL|a-{job_suffix(records.folder)}\n")
    with pytest.raises(StepFailed, match="Slurm reports NODE_FAIL for job 101"):
        running.result()


def test_a_requeued_job_is_waited_for_though_its_process_failed(fake_slurm, start, records, monkeypatch):
    monkeypatch.setattr(slurm_jobs, "_FILE_SYSTEM_S", 20.0)
    running = start()
    running.queue("RUNNING")
    running.begins()
    time.sleep(0.15)
    running.ends(143)
    running.seen()
    running.queue("PENDING")
    assert records.read("a", "exit") is None
    assert records.read("a", "start") is None
    assert running.waits
    running.queue("RUNNING")
    running.begins()
    running.ends(0)
    running.result()


def test_an_interrupted_step_is_submitted_again_once_its_job_has_left_the_queue(fake_slurm, start, records):
    running = start()
    running.queue("RUNNING")
    running.begins()
    running.ends(75)
    running.seen()
    time.sleep(0.3)  # longer than the patience with the file system
    assert running.waits
    assert (records.read("a", "job") or {})["id"] == "101"
    fake_slurm.says("answer", "102\n")
    fake_slurm.says("queue", f"101|COMPLETED|a-{job_suffix(records.folder)}\n")
    while (records.read("a", "job") or {}).get("id") != "102":
        assert running.waits
    fake_slurm.says("queue", f"102|RUNNING|a-{job_suffix(records.folder)}\n")
    running.begins()
    running.ends(0)
    running.result()


def test_a_step_fails_once_its_job_has_left_the_queue(fake_slurm, start, records):
    running = start()
    running.queue("RUNNING")
    running.ends(2)
    fake_slurm.says("queue", f"101|FAILED|a-{job_suffix(records.folder)}\n")
    with pytest.raises(StepFailed, match="a: ended with status 2: its log is empty"):
        running.result()


def test_a_reused_job_number_is_not_mistaken_for_the_own_job(fake_slurm, records):
    fake_slurm.says("queue", f"101|RUNNING|b-{job_suffix(records.folder)}\n")
    job = {"machine": "slurm", "id": "101", "listed": True, "gone_at": 1.0}
    for name, status in (("a", "failed"), ("b", "running")):
        records.write(name, "job", {**job, "job_name": f"{name}-{job_suffix(records.folder)}"})
        assert job_status(records.folder, f"101:{name}") == status


@pytest.mark.parametrize("answer", ["2026\n102\n", "no number\n", "Welcome, job 7 101"])
def test_an_unclear_job_number_is_looked_up_by_name_in_squeue(fake_slurm, impatient, records, answer):
    fake_slurm.says("answer", answer)
    fake_slurm.says("queue", f"100|FAILED|a-{job_suffix(records.folder)}\n")
    job = submission(records, "a")
    assert job._identified("", "2026\n102\n").job_id == "102"
    fake_slurm.says("queue", f"103|PENDING|a-{job_suffix(records.folder)}\n")
    assert job._sbatch().job_id == "103"


def test_an_answer_without_a_number_is_a_failed_step(fake_slurm, start, records):
    fake_slurm.says("answer", "Thank you\n")
    with pytest.raises(StepFailed, match="a: could not be started: sbatch named no job: it printed 'Thank you'; with"):
        start().result()


def test_a_refusal_is_a_failed_step_with_the_clusters_words(fake_slurm, start, records):
    fake_slurm.says("sbatch.error", "sbatch: error: invalid partition specified: x\n")
    running = start()
    with pytest.raises(StepFailed, match="a: could not be started: sbatch refused it: .*invalid partition specified"):
        running.result()
    assert "invalid partition" in (records.read("a", "failed") or {})["reason"]
    assert records.read("a", "job") is None


def test_a_busy_controller_is_asked_again_and_a_job_that_it_took_is_found(fake_slurm, start, records, monkeypatch):
    monkeypatch.setattr(slurm_jobs, "_SUBMISSION_S", 20.0)
    fake_slurm.says("sbatch.error", "sbatch: error: Socket timed out on send/recv operation\n")
    running = start()
    running.seen()
    assert running.waits
    fake_slurm.says("queue", f"105|RUNNING|a-{job_suffix(records.folder)}\n")
    running.submitted()
    assert (records.read("a", "job") or {})["id"] == "105"
    running.ends(0)
    running.result()


def test_submitted_jobs_inherit_nothing_from_the_surrounding_job(fake_slurm, records, monkeypatch):
    around = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "8", "SBATCH_ARRAY_INX": "0-3"}
    for name, value in {**around, "SLURM_CONF": "/etc/slurm.conf", "SBATCH_CLUSTERS": "east"}.items():
        monkeypatch.setenv(name, value)
    records.write_plan([step("a")])
    submit_step(records.folder, jobscript(records, "a"))
    assert (records.read("a", "job") or {})["cluster"] == "east"
    environment = fake_slurm.wrote("sbatch.environment").splitlines()
    assert [line for line in environment if line.startswith(("SLURM_", "SBATCH_"))] == ["SLURM_CONF=/etc/slurm.conf"]
    assert "--clusters=east" in fake_slurm.wrote("sbatch.arguments").splitlines()
    assert "SLURM_ARRAY_TASK_ID" not in fake_slurm.wrote("script")
    assert "--clusters=east" in fake_slurm.wrote("squeue.arguments").splitlines()


def test_clusters_among_the_options_are_queried(fake_slurm, start, records):
    fake_slurm.says("answer", "101;east\n")
    running = start("--clusters=east,west")
    running.submitted()
    fake_slurm.says("queue.east", f"101|PENDING|a-{job_suffix(records.folder)}\n")
    fake_slurm.wait_for_looks(12)
    time.sleep(0.3)
    assert running.waits
    assert (records.read("a", "job") or {})["cluster"] == "east"
    assert fake_slurm.wrote("sbatch.arguments").count("--clusters=") == 1
    running.ends(0)
    running.result()


def test_a_folder_with_a_percent_sign_is_no_pattern_of_sbatch(fake_slurm, tmp_path):
    folder = tmp_path / "100%a"
    (folder / "steps").mkdir(parents=True)
    job = submission(StepRecords(folder), "a")
    job._sbatch()
    assert f"--output={tmp_path}/100%%a/logs/a.log" in fake_slurm.wrote("sbatch.arguments").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_recipe_leaves_its_jobs_within_seconds(fake_slurm, small_corpus, tmp_path, name):
    profile, folder = tmp_path / "profile", tmp_path / "exp"
    profile.mkdir()
    (profile / "config.yaml").write_text(PROFILE)
    more = ["--tiny", "--until", "prep", "--profile", str(profile)]
    command = [sys.executable, "-m", "cnn_mellin.cli.main", "recipe", str(small_corpus), str(folder), *more]
    records = StepRecords(folder)
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed) as controller:
        while "id" not in (records.read("prep-fbank-81-10ms", "job") or {}):
            assert controller.poll() is None
            time.sleep(0.1)
        listed = f"101|PENDING|prep-fbank-81-10ms-{job_suffix(folder)}\n"
        fake_slurm.says("queue", listed)
        controller.send_signal(getattr(signal, name))
        _, complaints = controller.communicate(timeout=20)
    assert controller.returncode == 130
    assert complaints == "cnn-mellin: interrupted; run the same command again to resume\n"
    assert (records.read("prep-fbank-81-10ms", "job") or {})["id"] == "101"


@pytest.mark.parametrize(
    ("resources", "options"),
    [
        ({"threads": 2, "mem_mb": 500, "runtime": 90}, ["--cpus-per-task=2", "--mem=500M", "--time=90"]),
        ({"gpus": 0}, ["--cpus-per-task=1"]),
        ({"gpus": 2}, ["--cpus-per-task=1", "--gres=gpu:2"]),
        ({"gpus": 1, "gres": "gpu:t4:1"}, ["--cpus-per-task=1", "--gres=gpu:t4:1"]),
        ({"slurm_account": "phones", "slurm_partition": "long"}, ["--cpus-per-task=1", "--account=phones"]),
        ({"slurm_extra": "-p gpu --mem=8G"}, ["--cpus-per-task=1", "-p", "gpu", "--mem=8G"]),
    ],
)
def test_options_of_sbatch_follow_the_resources(resources, options):
    assert sbatch_options(resources)[: len(options)] == options


@pytest.mark.parametrize("option", ["--job-name=x", "--error e.log", "-Jx", "-a 0-3"])
def test_options_that_are_set_for_each_job_are_refused(option):
    with pytest.raises(SettingsError, match=f"slurm_extra: {option.split()[0]}: is set for each job; leave it out"):
        sbatch_options({"slurm_extra": option})


def test_without_sbatch_the_remedy_is_named(records, monkeypatch):
    monkeypatch.setenv("PATH", str(records.folder))
    with pytest.raises(StepFailed, match="there is no sbatch here; start the recipe on a login node"):
        run(records, step("a", "--print-ini"))


def test_a_job_script_without_properties_or_of_another_workflow_is_named(records):
    path = records.folder / "job.sh"
    for text, why in (
        ("#!/bin/sh\n", "has no line of properties"),
        ('# properties = {"output": ["a.txt"]}\n', "its output must be steps/NAME.done"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=why):
            submit_step(records.folder, path)


def test_a_result_of_other_inputs_is_made_again_and_a_finished_step_is_not_submitted(fake_slurm, start, records):
    running = start()
    running.submitted()
    records.write("a", "exit", {"status": 0, "fingerprint": "of other inputs", "seconds": 1.0})
    fake_slurm.says("answer", "102\n")
    while (records.read("a", "job") or {}).get("id") != "102":
        assert running.waits
    running.ends(0)
    running.result()
    fake_slurm.says("sbatch.error", "sbatch: error: nothing is to be submitted\n")
    assert submit_step(records.folder, jobscript(records, "a")) == "0:a"
    assert job_status(records.folder, "0:a") == "success"


def test_twenty_jobs_share_the_answers_of_squeue(fake_slurm, records):
    names = [f"train-{seed}" for seed in range(20)]
    records.write_plan([step(name, "--print-ini") for name in names])
    began = time.monotonic()
    jobs = [submit_step(records.folder, jobscript(records, name)) for name in names]
    listed = "".join(f"101|RUNNING|{name}-{job_suffix(records.folder)}\n" for name in names)
    fake_slurm.says("queue", listed)
    (records.folder / "steps" / "queue.json").unlink()
    for _ in range(3):
        assert {job_status(records.folder, job) for job in jobs} == {"running"}
    looks = len(fake_slurm.wrote("looks").splitlines())
    assert looks <= 2 + (time.monotonic() - began) / 10
