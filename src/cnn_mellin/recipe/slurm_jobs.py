"""Steps as jobs of a Slurm cluster, with or without accounting: the commands that Snakemake submits and polls with."""

from __future__ import annotations

import json
import logging
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.recipe.slurm_queue import (
    ENDED_STATES,
    WAITING_STATES,
    SlurmJob,
    SlurmQueue,
    chosen_clusters,
    job_suffix,
    printed_ids,
    slurm_environment,
)
from cnn_mellin.recipe.step_records import RESUME_STATUS, StepRecords
from cnn_mellin.recipe.step_run import failure_line

__all__ = ["StepJob", "job_status", "sbatch_options", "submit_step"]

_LOGGER = logging.getLogger(__name__)

# Longest time until a file written on a node is visible here.
_FILE_SYSTEM_S = 30.0
# Longest time until squeue first lists a job: at some sites it answers from a cache that is a minute old.
_UNLISTED_S = 120.0
# Longest time for which sacct may report a job as running that squeue no longer lists.
_ACCOUNTS_S = 600.0
# Upper bound of the difference between the clocks of nodes.
_CLOCKS_S = 5.0
# Longest time for which a busy controller may refuse a job.
_SUBMISSION_S = 600.0
_MOST_ATTEMPTS = 50
_TRANSIENT = re.compile(r"timed out|[Uu]nable to contact|[Cc]onnection (refused|failure|reset)|[Tt]emporar|try again")
# States of jobs that were ended before their process could write its exit status.
_CUT_SHORT = ("CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
_LEAVING = ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", None)
# sbatch options that are set for each job, as jobs and their logs are found by them.
_OURS = {"--job-name": "-J", "--output": "-o", "--error": "-e", "--input": "-i", "--array": "-a", "--chdir": "-D"}
_OURS |= {"--wait": "-W", "--wrap": "--wrap", "--test-only": "--test-only", "--open-mode": "--open-mode"}
_PROPERTIES = re.compile(r"^# properties = (\{.*\})$", re.MULTILINE)
_STAMP = re.compile(r"(?:.*/)?steps/(.+)\.done")


def submit_step(folder: str | Path, jobscript: Path, poll_s: float = 10.0) -> str:
    """Submit a step as a job, unless its job waits or runs already.

    The name of a job holds a digest of the recipe's folder. By it the job of a recipe that was killed is found again.

    Args:
        folder: the recipe's folder, on a file system that all nodes share.
        jobscript: job script of Snakemake, of which only the properties are used: the job runs without Snakemake.
        poll_s: seconds for which an answer of squeue serves all jobs.

    Returns:
        The job as `job_status` takes it: its number, a colon, and the name of the step.

    Raises:
        UserError: sbatch refuses the job, or an option is wrong.
    """
    properties = _properties(jobscript)
    stamp = _STAMP.fullmatch(str((properties.get("output") or [""])[0]))
    if stamp is None:
        raise UserError(f"{jobscript}: is not a job script of a recipe's step; its output must be steps/NAME.done")
    name = stamp[1]
    resources = {key: value for key, value in properties.get("resources", {}).items() if key != "tmpdir"}
    try:
        job = StepJob(folder, name, {**resources, "threads": properties.get("threads", 1)}, poll_s)
        return job.submit()
    except UserError as error:
        records = StepRecords(Path(folder).resolve())
        records.delete(name, "job", "start")
        _fail(records, name, "could not be started", str(error))
        raise


def job_status(folder: str | Path, job: str, poll_s: float = 10.0) -> str:
    """Status of a job as Snakemake wants it: running, success or failed.

    A job's process writes its exit status to a file, so that the cluster needs no accounting. Without that file, a job
    has ended when squeue says so, or sacct for a job that squeue does not list; while squeue does not answer, no job is
    taken to have ended. A job that was told to stop, and has saved its state, is submitted again.

    Args:
        folder: the recipe's folder.
        job: what `submit_step` has returned.
        poll_s: seconds for which an answer of squeue serves all jobs.
    """
    name = job.partition(":")[2]
    records = StepRecords(Path(folder).resolve())
    try:
        record = records.read(name, "job")
        if record is None or record.get("machine") != "slurm":
            return "success" if records.path(name, "done").exists() else "failed"
        return StepJob(folder, name, record.get("resources", {}), poll_s, record.get("cluster", "")).status(record)
    except UserError as error:
        _fail(records, name, "cannot be run", str(error))
        return "failed"
    except OSError as error:  # of a file system that is away for a moment; Snakemake would stop all jobs
        _LOGGER.warning("%s: %s; its job is looked for again", name, error)
        return "running"


def sbatch_options(resources: Mapping[str, Any]) -> list[str]:
    """Options of sbatch for the resources of a rule.

    Args:
        resources: threads, mem_mb, runtime (minutes), gpus or gres, slurm_account, slurm_partition, slurm_qos, and
            slurm_extra, which holds further options.

    Raises:
        SettingsError: slurm_extra has an option that is set for each job.

    >>> sbatch_options({"threads": 4, "mem_mb": 8000, "runtime": 60, "gpus": 1, "slurm_extra": "--requeue"})
    ['--cpus-per-task=4', '--mem=8000M', '--time=60', '--gres=gpu:1', '--requeue']
    """
    options = [f"--cpus-per-task={resources.get('threads', 1)}"]
    if resources.get("mem_mb"):
        options.append(f"--mem={resources['mem_mb']}M")
    if resources.get("runtime"):
        options.append(f"--time={resources['runtime']}")
    if resources.get("gpus"):
        options.append(f"--gres={resources.get('gres') or 'gpu:' + str(resources['gpus'])}")
    for name in ("account", "partition", "qos"):
        if resources.get(f"slurm_{name}"):
            options.append(f"--{name}={resources[f'slurm_{name}']}")
    extra = shlex.split(str(resources.get("slurm_extra") or ""))
    for option in extra:
        word = option.partition("=")[0]
        if word in _OURS or any(len(short) == 2 and word.startswith(short) for short in _OURS.values()):
            raise SettingsError(f"slurm_extra: {option}: is set for each job; leave it out of the profile")
    return [*options, *extra]


class StepJob:
    """The job that is to do a step.

    Args:
        folder: the recipe's folder.
        name: name of the step.
        resources: resources of the job.
        poll_s: seconds for which an answer of squeue serves all jobs.
        cluster: cluster to which it was submitted; empty where that is not known.

    Raises:
        SettingsError: slurm_extra has an option that is set for each job.
    """

    def __init__(
        self, folder: str | Path, name: str, resources: Mapping[str, Any], poll_s: float, cluster: str = ""
    ) -> None:
        self._records, self._name, self._poll_s = StepRecords(Path(folder).resolve()), name, poll_s
        self._resources, self._options = dict(resources), sbatch_options(resources)
        suffix = job_suffix(self._records.folder)
        self._job_name = f"{name}-{suffix}"
        clusters = dict.fromkeys([*chosen_clusters(self._options).split(","), *([cluster] if cluster else [])])
        self._queue = SlurmQueue(suffix, clusters, poll_s, self._records.folder / "steps" / "queue.json")

    def submit(self) -> str:
        """Submit the step unless its job is in the queue; returns job and step."""
        records, name = self._records, self._name
        step = records.step(name)
        fingerprint = records.fingerprint(step)
        if records.made_already(step, fingerprint):
            records.finish(step)
            records.delete(name, "job", "failed")
            return f"0:{name}"
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise SettingsError("there is no sbatch here; start the recipe on a login node")
        if records.read(name, "job") is not None:  # an earlier run may have submitted it a moment ago
            self._queue.forget()
        found, ended = self._queued(), records.read(name, "exit")
        if found is None or (ended is not None and ended.get("fingerprint") != fingerprint):
            records.delete(name, "exit")
        if found is None:
            records.delete(name, "start")
        else:
            _LOGGER.warning("%s: its job %s of an earlier run is waited for", name, found.job_id)
        records.delete(name, "failed")
        return self._submit({"fingerprint": fingerprint, "resources": self._resources, "attempts": 1}, found)

    def status(self, record: dict[str, Any]) -> str:
        """Status of the job of a record, which is updated."""
        records, name = self._records, self._name
        job = SlurmJob(record.get("id", ""), record.get("job_name", self._job_name), cluster=record.get("cluster", ""))
        ended = records.read(name, "exit")
        if ended is not None and ended["status"] == 0:
            if ended.get("fingerprint") != record.get("fingerprint"):  # of an earlier run, and of other inputs
                return self._again(record)
            records.delete(name, "job")
            return "success"
        answer, now = self._queue.look(), time.time()
        state = answer.state(job)
        listed, gone_at = record.get("listed", False) or bool(state), min(record.get("gone_at", now), now)
        if state in WAITING_STATES:  # also after it was requeued
            self._forget_before(answer.at)
            return self._wait(record, listed)
        if ended is not None and ended["status"] > 0:
            interrupted = ended["status"] == RESUME_STATUS
            if state in _LEAVING and (interrupted or now - gone_at < _FILE_SYSTEM_S):
                return self._wait(record, listed, gone_at)
            if interrupted and record.get("attempts", 1) < _MOST_ATTEMPTS:
                return self._again(record)
            return self._failed(f"ended with status {ended['status']}", ended["status"])
        if state is None or (state and state not in ENDED_STATES):
            return self._wait(record, listed)
        state = state or self._queue.recorded_state(job)
        patience = _FILE_SYSTEM_S if listed or state in ENDED_STATES else _UNLISTED_S
        patience = _ACCOUNTS_S if state and state not in ENDED_STATES else patience
        if state in _CUT_SHORT or now - gone_at > patience or (ended is not None and state in ENDED_STATES):
            records.delete(name, "failed")  # Slurm knows more than the step's process
            return self._failed(_why(job, state))
        return self._wait(record, listed, gone_at)

    def _wait(self, record: dict[str, Any], listed: bool, gone_at: float | None = None) -> str:
        changed = {key: value for key, value in record.items() if key not in ("listed", "gone_at")}
        changed |= {"listed": listed} | ({} if gone_at is None else {"gone_at": gone_at})
        if changed != record:
            self._records.write(self._name, "job", changed)
        return "running"

    def _failed(self, why: str, status: int = -1) -> str:
        self._records.delete(self._name, "job", "start")
        if self._records.read(self._name, "failed") is None:  # as the step's process has not said why
            _fail(self._records, self._name, why, status=status)
        return "failed"

    def _again(self, record: dict[str, Any]) -> str:
        self._records.delete(self._name, "exit", "start")
        kept = {key: value for key, value in record.items() if key in ("fingerprint", "resources")}
        self._submit({**kept, "attempts": record.get("attempts", 1) + 1})
        return "running"

    def _submit(self, about: dict[str, Any], found: SlurmJob | None = None) -> str:
        about = {"machine": "slurm", **about}
        self._records.write(self._name, "job", about)  # before, so that a later run looks for the job
        job = found or self._sbatch()
        about |= {"id": job.job_id, "cluster": job.cluster, "job_name": job.name}
        self._records.write(self._name, "job", about)
        return f"{job.job_id}:{self._name}"

    def _queued(self) -> SlurmJob | None:
        """The waiting or running job of the step, if there is one."""
        for job in self._queue.answered().jobs:
            if job.name == self._job_name and not job.ended and job.state != "COMPLETING":
                return job
        return None

    def _forget_before(self, at: float) -> None:
        """Delete the records of an earlier start of a job that was requeued."""
        began = (self._records.read(self._name, "start") or self._records.read(self._name, "exit") or {}).get("began")
        if began is not None and began < at - _CLOCKS_S:
            self._records.delete(self._name, "exit", "start", "failed")

    def _sbatch(self) -> SlurmJob:
        folder, log = self._records.folder, self._records.log(self._name)
        log.parent.mkdir(parents=True, exist_ok=True)
        options = ["--parsable", f"--job-name={self._job_name}", f"--output={str(log).replace('%', '%%')}"]
        options += ["--open-mode=append", f"--chdir={folder}", *self._options]
        clusters = chosen_clusters(self._options)
        if clusters and not chosen_clusters(self._options, {}):
            options.append(f"--clusters={clusters}")
        process = [sys.executable, "-m", "cnn_mellin", "step", "run", self._name, "--once", "--exp", str(folder)]
        # `exec` replaces the shell by the process, so that the cluster's signals reach it.
        script = f'#!/bin/sh\nexport OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"\nexec {shlex.join(process)}\n'
        printed = self._submission(["sbatch", *options], script)
        return printed if isinstance(printed, SlurmJob) else self._identified(clusters, printed)

    def _submission(self, command: Sequence[str], script: str) -> str | SlurmJob:
        """Output of sbatch, or the job itself where sbatch failed after it had submitted it."""
        began = time.monotonic()
        while True:
            done = subprocess.run(
                command,
                input=script,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=slurm_environment(),
                capture_output=True,
                check=False,
            )
            if not done.returncode:
                return done.stdout
            # A controller that answers too late may have accepted the job.
            self._queue.forget()
            for job in self._queue.look().jobs:
                if job.name == self._job_name and not job.ended:
                    return job
            if not _TRANSIENT.search(done.stderr) or time.monotonic() - began > _SUBMISSION_S:
                said = " ".join(f"{done.stderr} {done.stdout}".split())[-500:] or f"status {done.returncode}"
                raise UserError(f"sbatch refused it: {said}; change the options in the profile, or try again later")
            time.sleep(self._poll_s)

    def _identified(self, clusters: str, printed: str) -> SlurmJob:
        """The job that sbatch has just submitted, from what it printed."""
        given = printed_ids(printed)
        if len(given) != 1:  # then squeue decides
            self._queue.forget()
            listed = [job for job in self._queue.answered().jobs if job.name == self._job_name and not job.ended]
            if listed:
                newest = max(listed, key=lambda job: int(job.job_id))
                given = [(newest.job_id, newest.cluster)]
        if not given:
            said = " ".join(printed.split())[:300] or "nothing"
            raise UserError(
                f"sbatch named no job: it printed {said!r}; with --parsable it must print the number of the job on "
                "its own line"
            )
        job_id, cluster = given[-1]
        return SlurmJob(job_id, self._job_name, cluster=cluster or (clusters if "," not in clusters else ""))


def _properties(jobscript: Path) -> dict[str, Any]:
    try:
        found = _PROPERTIES.search(jobscript.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{jobscript}: cannot be read ({error.strerror})") from None
    if found is None:
        raise UserError(f"{jobscript}: is not a job script of Snakemake: it has no line of properties")
    properties: dict[str, Any] = json.loads(found[1])
    return properties


def _fail(records: StepRecords, name: str, why: str, reason: str | None = None, *, status: int = -1) -> None:
    """Record that a step has failed, where its own process could not."""
    failed = {"why": why, "reason": reason or failure_line(records.log(name), own=status >= 0)}
    records.write(name, "failed", failed)
    records.write(name, "exit", {"status": status, "how": "FAILED", "seconds": 0.0})


def _why(job: SlurmJob, state: str) -> str:
    """Reason for which a job left no exit status."""
    if state in ("", "CANCELLED"):
        return "it was killed or cancelled" + ("" if state else f" (squeue does not list job {job.job_id})")
    return f"it was killed or cancelled (Slurm reports {state} for job {job.job_id})"
