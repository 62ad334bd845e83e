"""The scripts as jobs of a real Slurm cluster of one node, submitted as the recipe submits them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.data.partition import read_partition

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(slurm, tmp_path, monkeypatch) -> Path:
    """A project's folder, as the place to submit from."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "exp" / "logs").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def submit(*arguments: str) -> str:
    done = subprocess.run(
        ["sbatch", "--parsable", "--mem=1G", "--cpus-per-task=1", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait(job_id: str, *states: str) -> str:
    for _ in range(600):
        shown = subprocess.run(
            ["squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T"],
            capture_output=True,
            text=True,
            check=False,
        )
        state = shown.stdout.strip()
        if state in states:
            return state
        time.sleep(0.2)
    raise AssertionError(f"job {job_id} is {state}, not {' or '.join(states)}")


@pytest.mark.slow
def test_timit_is_prepared_as_a_job(project, small_corpus):
    job = submit("--gres=none", "--time=03:00:00", "scripts/timit_prep.slrm", str(small_corpus), "raw", "--partial")
    assert wait(job, "COMPLETED", "FAILED") == "COMPLETED", (project / f"exp/logs/timit_prep-{job}.log").read_text()
    assert len(read_partition(project / "data/timit/raw/test")) == 8
    assert "data/timit/raw/test: 8 utterances" in (project / f"exp/logs/timit_prep-{job}.log").read_text()


@pytest.mark.slow
def test_a_job_ends_with_the_status_of_its_command(project):
    good = submit("scripts/cnn_mellin.slrm", "--print-ini")
    bad = submit("scripts/cnn_mellin.slrm", "data", "info", "no where")
    assert wait(good, "COMPLETED", "FAILED") == "COMPLETED"
    assert wait(bad, "COMPLETED", "FAILED") == "FAILED"
    assert "window_size" in (project / f"exp/logs/cnn-mellin-{good}.log").read_text()
    assert "no where: there is no such folder" in (project / f"exp/logs/cnn-mellin-{bad}.log").read_text()


@pytest.mark.soak
def test_a_training_at_its_time_limit_saves_and_resumes(project, small_corpus):
    prep = submit("scripts/cnn_mellin.slrm", "prep", "timit", str(small_corpus), "data", "--partial", "--jobs", "1")
    assert wait(prep, "COMPLETED", "FAILED") == "COMPLETED"
    (project / "a.ini").write_text("[training]\nnum_epochs = 400\n")
    base = ROOT / "conf" / "model" / "demo-lcorr.ini"
    read = ["--read-ini", str(base), "--read-ini", "a.ini"]
    train = [*read, "train", "data/fbank-81-10ms/train", "data/fbank-81-10ms/dev", "model", "--seed", "1"]
    job = submit("scripts/cnn_mellin.slrm", *train)
    log = project / f"exp/logs/cnn-mellin-{job}.log"
    for _ in range(600):
        if log.exists() and "epoch 1/" in log.read_text():
            break
        time.sleep(0.2)
    subprocess.run(["scancel", "--signal=USR1", "--batch", job], check=True)
    wait(job, "FAILED")
    assert "SIGUSR1: " in log.read_text()
    again = submit("scripts/cnn_mellin.slrm", *train)
    text = ""
    for _ in range(600):
        log = project / f"exp/logs/cnn-mellin-{again}.log"
        text = log.read_text() if log.exists() else ""
        if "epoch " in text:
            break
        time.sleep(0.2)
    assert "epoch " in text
    assert "epoch 1/" not in text
    subprocess.run(["scancel", again], check=True)
    wait(again, "CANCELLED")


@pytest.mark.soak
def test_workers_of_a_study_are_an_array_of_jobs(project, postgresql_server, small_corpus):
    url = postgresql_server.new_database("workers")
    base = str(ROOT / "conf" / "model" / "demo-lcorr.ini")
    (project / "a.ini").write_text("[training]\nnum_epochs = 1\n")
    assert main(["--quiet", "prep", "timit", str(small_corpus), "data", "--partial"]) == 0
    study = ["optim", "--study-name", "small", url]
    init = [
        "init",
        "data/fbank-81-10ms/train",
        "--whitelist",
        "model.window_size",
        "--num-trials",
        "5",
        "--pruner",
        "none",
    ]
    assert main(["--read-ini", base, "--read-ini", "a.ini", *study, *init]) == 0
    job = submit("--array=1-2", "scripts/cnn_mellin.slrm", *study, "run", "--sampler", "random")
    for task in (1, 2):
        assert wait(f"{job}_{task}", "COMPLETED", "FAILED") == "COMPLETED"
    assert len(list((project / "exp" / "logs").glob("cnn-mellin-*.log"))) == 2
    listed = subprocess.run(
        ["optuna", "trials", "--study-name", "small", "--storage", url, "-f", "yaml"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.count("state: COMPLETE") == 5
