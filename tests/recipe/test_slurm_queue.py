"""Slurm's programs are understood whatever a site lets them say besides."""

from pathlib import Path

import pytest

from cnn_mellin.errors import UserError
from cnn_mellin.recipe import slurm_queue
from cnn_mellin.recipe.slurm_queue import (
    WAITING_STATES,
    SlurmJob,
    SlurmQueue,
    chosen_clusters,
    printed_ids,
    slurm_environment,
)


def queue(*clusters: str, cache: Path | None = None) -> SlurmQueue:
    return SlurmQueue("0abc", clusters, poll_s=0.01, cache=cache)


@pytest.mark.parametrize(
    ("printed", "ids"),
    [
        ("101\n", [("101", "")]),
        ("101;east\n", [("101", "east")]),
        ("---\n  Welcome to 2 clusters\n---\n--> Verifying (login1)...OK\n101\n", [("101", "")]),
        ("101;east\n\nYour project has 5 hours left\n", [("101", "east")]),
        ("\x1b[32m101\x1b[0m\r\n", [("101", "")]),
        ("Submitted batch job 101\n", [("101", "")]),
        ("** Submitted batch job 101 on cluster east **\n", [("101", "east")]),
        ("2026\n101\n", [("2026", ""), ("101", "")]),
        ("error\n", []),
        ("", []),
    ],
)
def test_the_number_of_a_job_is_found_among_a_sites_own_lines(printed, ids):
    assert printed_ids(printed) == ids


@pytest.mark.parametrize(
    ("options", "environment", "clusters"),
    [
        (["--clusters=east"], {}, "east"),
        (["--clusters", "east,west", "--ntasks=1"], {}, "east,west"),
        (["--cluster=east"], {}, "east"),
        (["-Meast"], {}, "east"),
        (["-M", "east"], {"SBATCH_CLUSTERS": "west"}, "east"),
        (["-M", "east", "--clusters=north"], {}, "north"),
        (["--cluster-constraint=gpu"], {"SBATCH_CLUSTERS": "west"}, "west"),
        (["--ntasks=1"], {"SLURM_CLUSTERS": "west"}, "west"),
        (["--ntasks=1"], {}, ""),
        ([], {}, ""),
    ],
)
def test_clusters_are_those_that_sbatch_takes(options, environment, clusters):
    assert chosen_clusters(options, environment) == clusters


def test_variables_of_the_surrounding_job_are_removed():
    kept = {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin", "SBATCH_ACCOUNT": "phones", "SBATCH_PARTITION": "long"}
    around = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "8", "SLURM_MEM_PER_NODE": "9"}
    around |= {"SBATCH_TIMELIMIT": "1", "SBATCH_MEM_BIND": "local", "SBATCH_GPUS": "8", "SQUEUE_PARTITION": "short"}
    around |= {"SBATCH_CLUSTERS": "east", "SLURM_CLUSTERS": "east", "SACCT_FORMAT": "x"}
    assert slurm_environment(kept | around) == kept


def test_on_a_login_node_user_defaults_stay_except_options_that_the_recipe_sets():
    kept = {"SBATCH_TIMELIMIT": "60", "SBATCH_ACCOUNT": "phones", "SBATCH_GPUS": "1", "SBATCH_EXPORT": "ALL"}
    ours = {"SBATCH_ARRAY_INX": "0-3", "SBATCH_WAIT": "1", "SBATCH_ERROR": "/dev/null", "SBATCH_JOB_NAME": "x"}
    assert slurm_environment(kept | ours) == kept


def test_jobs_are_read_among_other_lines(fake_slurm):
    fake_slurm.says(
        "queue",
        "** squeue: maintenance | on | Friday **\n"
        "CLUSTER: east\n"
        "101|RUNNING|prep-0abc\n"
        "\x1b[1m102|PENDING|train-0abc\x1b[0m\n"
        "103_7|PENDING|decode-0abc\n"  # an array, which the recipe does not submit
        "104|RUNNING|prep-of-another-recipe\n"
        "105|EXPEDITING|report-0abc\n",
    )
    jobs = queue().look().jobs
    assert [(job.job_id, job.state) for job in jobs] == [
        ("101", "RUNNING"),
        ("102", "PENDING"),
        ("105", "EXPEDITING"),
    ]
    assert {job.cluster for job in jobs} == {"east"}
    assert [job.job_id for job in jobs if job.state in WAITING_STATES] == ["102"]
    assert not any(job.ended for job in jobs)


def test_a_job_is_identified_by_number_and_name(fake_slurm):
    fake_slurm.says("queue", "101|RUNNING|train-0abc\n")
    answer = queue().look()
    assert answer.state(SlurmJob("101", "prep-0abc")) == ""
    assert answer.state(SlurmJob("101", "train-0abc")) == "RUNNING"


def test_each_cluster_is_queried_by_name_and_a_failing_one_gives_no_states(fake_slurm):
    fake_slurm.says("queue.east", "101|RUNNING|prep-0abc\n")
    fake_slurm.says("queue.west", "101|PENDING|train-0abc\n")
    asked = queue("east", "west")
    answer = asked.look()
    assert answer.state(SlurmJob("101", "prep-0abc", cluster="east")) == "RUNNING"
    assert answer.state(SlurmJob("101", "train-0abc", cluster="west")) == "PENDING"
    fake_slurm.says("squeue.error", "slurm_load_jobs error: Unable to contact slurm controller\n")
    answer = asked.look()
    assert answer.state(SlurmJob("101", "prep-0abc", cluster="east")) is None
    assert answer.silent["west"] == "slurm_load_jobs error: Unable to contact slurm controller"


def test_an_error_of_squeue_with_status_0_is_not_an_answer(fake_slurm):
    program = fake_slurm.folder / "bin" / "squeue"
    program.write_text("#!/bin/sh\necho 'squeue: error: cluster east cannot be reached' >&2\n")
    assert queue("east").look().silent == {"east": "squeue: error: cluster east cannot be reached"}
    assert queue().look().silent == {}  # a remark on a plugin, for example


def test_a_missing_squeue_is_not_an_answer(fake_slurm, monkeypatch):
    monkeypatch.setenv("PATH", str(fake_slurm.folder))
    assert queue().look().silent == {"": "squeue cannot be started (No such file or directory)"}


def test_variables_that_change_the_output_of_squeue_are_removed(fake_slurm, monkeypatch):
    monkeypatch.setenv("SQUEUE_PARTITION", "gpu")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    queue().look()
    environment = fake_slurm.wrote("squeue.environment")
    assert "SQUEUE_PARTITION" not in environment
    assert "SLURM_CONF=/etc/slurm.conf" in environment


def test_a_long_failure_of_squeue_is_a_warning_with_its_reason(fake_slurm, monkeypatch, caplog, tmp_path):
    fake_slurm.says("squeue.error", "slurm_load_jobs error: Socket timed out\n")
    monkeypatch.setattr(slurm_queue, "_WARN_AFTER_S", 0.0)
    asked = queue(cache=tmp_path / "queue.json")
    assert asked.look().silent
    assert (
        "squeue has failed for a minute or more (slurm_load_jobs error: Socket timed out); jobs keep running"
        in caplog.text
    )
    monkeypatch.setattr(slurm_queue, "_PATIENCE_S", 0.0)
    with pytest.raises(UserError, match="squeue has failed for 0 s: .*Socket timed out; run the same command again"):
        asked.answered()


def test_sacct_gives_the_state_of_jobs_that_squeue_does_not_list(fake_slurm):
    asked, job = queue(), SlurmJob("102", "prep-0abc", cluster="east")
    fake_slurm.says("accounts", "Welcome\n102|PENDING|prep-0abc\n")
    assert asked.recorded_state(job) == "PENDING"
    assert "--clusters=east" in fake_slurm.wrote("sacct.arguments").split()
    fake_slurm.says("accounts", "102|CANCELLED by 1000|prep-0abc\n")
    assert asked.recorded_state(job) == "CANCELLED"
    fake_slurm.says("sacct.error", "Slurm accounting storage is disabled\n")
    assert asked.recorded_state(job) == ""


def test_processes_share_an_answer_until_it_is_old_or_forgotten(fake_slurm, tmp_path):
    def ask() -> SlurmQueue:
        return SlurmQueue("0abc", ["east"], poll_s=60, cache=tmp_path / "queue.json")

    fake_slurm.says("queue.east", "101|RUNNING|prep-0abc\n")
    for _ in range(3):
        assert ask().look().state(SlurmJob("101", "prep-0abc", cluster="east")) == "RUNNING"
    assert fake_slurm.wrote("looks").count("\n") == 1
    fake_slurm.says("queue.east", "")
    ask().forget()
    assert ask().look().jobs == []
    (tmp_path / "queue.json").write_text("{")
    assert ask().look().jobs == []
    assert fake_slurm.wrote("looks").count("\n") == 3
