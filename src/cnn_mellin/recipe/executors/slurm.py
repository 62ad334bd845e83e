"""Executor of steps as jobs of a Slurm cluster, with or without accounting."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.recipe.executors.local import StepLeft
from cnn_mellin.recipe.executors.slurm_queue import (
    ENDED_STATES,
    WAITING_STATES,
    SlurmJob,
    SlurmQueue,
    chosen_clusters,
    job_suffix,
    printed_ids,
    slurm_environment,
)
from cnn_mellin.recipe.gathered import Gathered
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import RESUME_STATUS, StepRecords

__all__ = ["SlurmMachine"]

# Longest time until a file written on a node is visible here.
_FILE_SYSTEM_S = 30.0
# Longest time until squeue first lists a job: at some sites it answers from a cache that is a minute old.
_UNLISTED_S = 120.0
# Longest time for which sacct may report a job as running that squeue no longer lists.
_ACCOUNTS_S = 600.0
# Steps that become ready within this time are submitted together.
_GATHER_S = 1.0
# Upper bound of the difference between the clocks of nodes.
_CLOCKS_S = 5.0
# Longest time for which a busy controller may refuse a job.
_SUBMISSION_S = 600.0
_TRANSIENT = re.compile(r"timed out|[Uu]nable to contact|[Cc]onnection (refused|failure|reset)|[Tt]emporar|try again")
# States of jobs that were ended before their process could write its exit status.
_CUT_SHORT = ("CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE", "BOOT_FAIL")
_LEAVING = ("RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", None)


class SlurmMachine:
    """Submits steps as jobs, and polls `squeue` until they have ended.

    Steps that become ready together and have the same sbatch options are submitted as one array, others as single
    jobs. A job's process writes its exit status to a file, so that the cluster needs no accounting. Without that file,
    a job has ended when squeue says so, or sacct for a job that squeue does not list; while squeue does not answer, no
    job is taken to have ended. The name of a job holds a digest of the recipe's folder. By it a recipe that was killed
    finds its jobs when it is started again, so that none is submitted twice.

    Args:
        folder: the recipe's folder, on a file system that all nodes share.
        options: sbatch options of all jobs.
        gpu_options: further sbatch options of jobs that train or run models.
        stages: stage -> further sbatch options of its jobs.
        poll_s: seconds between two queries of squeue.
        arrays: submit jobs with the same options as one array.

    Raises:
        SettingsError: `sbatch` or `squeue` is missing.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        gpu_options: Sequence[str] = (),
        stages: Mapping[str, Sequence[str]] | None = None,
        poll_s: float = 10.0,
        arrays: bool = True,
    ) -> None:
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise SettingsError("profile slurm: there is no sbatch here; start the recipe on a login node")
        self._options, self._gpu_options, self._stages = options, gpu_options, stages or {}
        self._poll_s, self._records, self._arrays = poll_s, StepRecords(folder.resolve()), arrays
        self._submissions: Gathered[Step, SlurmJob] = Gathered(self._submit, self._options_for, _GATHER_S)
        self._suffix = job_suffix(folder)
        clusters = [chosen_clusters((*options, *more)) for more in ((), gpu_options, *self._stages.values())]
        named = dict.fromkeys(name for each in clusters for name in each.split(","))
        self._queue = SlurmQueue(self._suffix, named, poll_s)
        self._left = threading.Event()

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """Submit a step unless its job is queued already, and wait until the job has ended."""
        found = self._submitted(step)
        ended = records.read(step.name, "exit")
        if found is None or (ended is not None and ended.get("fingerprint") != job.get("fingerprint")):
            records.delete(step.name, "exit")
        if found is None:
            records.delete(step.name, "start")
        records.write(step.name, "job", {**job, "machine": "slurm"})
        submitted = found or self._submissions.ask(step)
        about = {"id": submitted.job_id, "cluster": submitted.cluster, "job_name": submitted.name}
        records.write(step.name, "job", {**job, "machine": "slurm", **about})
        self._queue.add_cluster(submitted.cluster)
        return self._wait(submitted, step, records)

    def still_running(self, job: dict[str, Any]) -> bool:
        """True while a job that an earlier run of the recipe submitted waits or runs."""
        if job.get("machine") != "slurm" or not job.get("id"):
            return False
        submitted = SlurmJob(job["id"], job.get("job_name", ""), cluster=job.get("cluster", ""))
        self._queue.add_cluster(submitted.cluster)
        if self._left.is_set():
            raise StepLeft
        state = self._queue.answered().state(submitted) or self._queue.recorded_state(submitted)
        return bool(state) and state not in ENDED_STATES

    def leave(self) -> None:
        """Stop waiting for jobs: they keep running, and the next run of the recipe finds them."""
        self._left.set()

    def stop(self) -> None:
        """Do nothing: jobs keep running, and the next run of the recipe finds them."""

    def _wait(self, submitted: SlurmJob, step: Step, records: StepRecords) -> str | None:
        """Wait until a job has ended; returns the reason where it left no exit status."""
        listed, ended_at, gone_at = False, float("inf"), float("inf")
        while True:
            ended, answer, now = records.read(step.name, "exit"), self._queue.look(), time.monotonic()
            if ended is not None and ended["status"] == 0:
                return None
            state = answer.state(submitted)
            listed = listed or bool(state)
            if state in WAITING_STATES:  # also after it was requeued
                self._forget_before(answer.at, step, records)
                ended_at = gone_at = float("inf")
            elif ended is not None:
                ended_at = min(ended_at, now)
                interrupted = ended["status"] == RESUME_STATUS
                if state not in _LEAVING or not (interrupted or now - ended_at < _FILE_SYSTEM_S):
                    return None
            elif state is None or (state and state not in ENDED_STATES):
                gone_at = float("inf")
            else:
                gone_at = min(gone_at, now)
                state = state or self._queue.recorded_state(submitted)
                patience = _FILE_SYSTEM_S if listed or state in ENDED_STATES else _UNLISTED_S
                patience = _ACCOUNTS_S if state and state not in ENDED_STATES else patience
                if state in _CUT_SHORT or now - gone_at > patience:
                    return _why(submitted, state)
            gone = gone_at < float("inf") or ended_at < float("inf")
            self._pause(min(self._poll_s, 1.0) if gone else self._poll_s)

    def _pause(self, seconds: float) -> None:
        if self._left.wait(seconds):
            raise StepLeft

    def _forget_before(self, at: float, step: Step, records: StepRecords) -> None:
        """Delete the records of an earlier start of a job that was requeued."""
        began = (records.read(step.name, "start") or {}).get("began", float("inf"))
        if began < at - _CLOCKS_S:
            records.delete(step.name, "exit", "start")

    def _options_for(self, step: Step) -> tuple[str, ...]:
        """The sbatch options of a step."""
        return (*self._options, *self._stages.get(step.stage, ()), *(self._gpu_options if step.heavy else ()))

    def _submit(self, steps: Sequence[Step]) -> list[SlurmJob]:
        """Submit steps that have the same sbatch options, as one array if possible; returns their jobs."""
        if len(steps) == 1 or not self._arrays:
            return [self._sbatch(f"{step.name}-{self._suffix}", [step], self._records.log(step.name)) for step in steps]
        names = "\n".join(step.name for step in steps)
        name = f"{steps[0].stage}-{hashlib.sha256(names.encode()).hexdigest()[:8]}-{self._suffix}"
        logs = self._array_logs(name)
        logs.mkdir(parents=True, exist_ok=True)
        for task, step in enumerate(steps):  # the links tell later runs which step a task is, and lead to its log
            link = logs / str(task)
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..", "..", self._records.log(step.name).name))
        job = self._sbatch(name, steps, logs, f"--array=0-{len(steps) - 1}")
        return [replace(job, job_id=f"{job.job_id}_{task}") for task in range(len(steps))]

    def _sbatch(self, name: str, steps: Sequence[Step], log: Path, *more: str) -> SlurmJob:
        folder, environment = self._records.folder, slurm_environment()
        self._records.log(steps[0].name).parent.mkdir(parents=True, exist_ok=True)
        pattern = str(log).replace("%", "%%") + ("/%a" if more else "")
        wanted = self._options_for(steps[0])
        clusters = chosen_clusters(wanted)
        options = ["--parsable", f"--job-name={name}", f"--output={pattern}", "--open-mode=append"]
        options += [f"--chdir={folder}", *wanted, *more]
        if clusters and not chosen_clusters(wanted, {}):
            options.append(f"--clusters={clusters}")
        process = [sys.executable, "-m", "cnn_mellin.cli.step", str(folder)]
        # `exec` replaces the shell by the process, so that the cluster's signals reach it.
        script = (
            "#!/bin/sh\n"
            'export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"\n'
            f"set -- {shlex.join(step.name for step in steps)}\n"
            + ('shift "${SLURM_ARRAY_TASK_ID:?}"\n' if more else "")
            + f'exec {shlex.join(process)} "$1"\n'
        )
        printed = self._submission(["sbatch", *options], script, environment, name)
        return printed if isinstance(printed, SlurmJob) else self._identified(name, clusters, printed)

    def _submission(
        self, command: Sequence[str], script: str, environment: dict[str, str], name: str
    ) -> str | SlurmJob:
        """Output of sbatch, or the job itself where sbatch failed after it had submitted it."""
        began = time.monotonic()
        while True:
            done = subprocess.run(
                command,
                input=script,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=environment,
                capture_output=True,
                check=False,
            )
            self._queue.forget()
            if not done.returncode:
                return done.stdout
            # A controller that answers too late may have accepted the job.
            for job in self._queue.look().jobs:
                if job.name == name and not job.ended:
                    return job
            if not _TRANSIENT.search(done.stderr) or time.monotonic() - began > _SUBMISSION_S:
                said = " ".join(f"{done.stderr} {done.stdout}".split())[-500:] or f"status {done.returncode}"
                raise UserError(f"sbatch refused it: {said}; change the options in the profile, or try again later")
            self._pause(self._poll_s)

    def _identified(self, name: str, clusters: str, printed: str) -> SlurmJob:
        """The job that sbatch has just submitted under a name, from what it printed."""
        given = printed_ids(printed)
        if len(given) != 1:  # then squeue decides
            listed = [job for job in self._queue.answered().jobs if job.name == name and not job.ended]
            if listed:
                newest = max(listed, key=lambda job: int(job.job_id.partition("_")[0]))
                given = [(newest.job_id.partition("_")[0], newest.cluster)]
        if not given:
            said = " ".join(printed.split())[:300] or "nothing"
            raise UserError(
                f"sbatch named no job: it printed {said!r}; with --parsable it must print the number of the job on "
                "its own line"
            )
        job_id, cluster = given[-1]
        return SlurmJob(job_id, name, cluster=cluster or (clusters if "," not in clusters else ""))

    def _array_logs(self, name: str) -> Path:
        """Folder with one link per task of an array, to the log of its step."""
        return self._records.folder / "logs" / "arrays" / name

    def _submitted(self, step: Step) -> SlurmJob | None:
        """The waiting or running job of a step, if there is one."""
        self._queue.forget()
        log = self._records.log(step.name).name
        for job in self._queue.answered().jobs:
            if not job.ended and job.state != "COMPLETING":
                link = self._array_logs(job.name) / job.job_id.rpartition("_")[2]
                if job.name == f"{step.name}-{self._suffix}" or (link.is_symlink() and link.readlink().name == log):
                    return job
        return None


def _why(job: SlurmJob, state: str) -> str:
    """Reason for which a job left no exit status."""
    if state in ("", "CANCELLED"):
        return "it was killed or cancelled" + ("" if state else f" (squeue does not list job {job.job_id})")
    return f"it was killed or cancelled (Slurm reports {state} for job {job.job_id})"
