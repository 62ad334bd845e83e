"""Where steps run: jobs of a Slurm cluster, with accounting or without."""

from __future__ import annotations

import getpass
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.workflow.recipe_step import Step
from cnn_mellin.workflow.step_record import GO_ON_STATUS, StepRecords

__all__ = ["SlurmMachine"]

# States of jobs that have not ended for good.
_ALIVE = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"}
_ALIVE |= {"RESIZING", "STAGE_OUT", "SIGNALING", "STOPPED", "SPECIAL_EXIT", "PREEMPTED", "RESV_DEL_HOLD"}
# For how long what a node wrote may take to be seen here.
_FILE_SYSTEM_S = 30.0
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class _Job:
    job_id: str
    name: str
    state: str

    @property
    def alive(self) -> bool:
        """Whether it has not ended for good."""
        return self.state in _ALIVE


class SlurmMachine:
    """Submits each step as a job, and looks at `squeue` until it has ended.

    How a job ended is known from a file that its process leaves: `sacct`, which many clusters lack, is not asked. A job
    is found again by its name, which holds the recipe's folder, so that a recipe that was killed goes on with jobs that
    it had submitted, and submits none twice.

    Args:
        folder: of the recipe, on a file system that all nodes share.
        options: of sbatch, for all jobs.
        gpu_options: of sbatch, for jobs that compute models.
        stages: stage -> more options.
        poll_s: seconds between two looks at squeue.

    Raises:
        SettingsError: there is no `sbatch` here.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        gpu_options: Sequence[str] = (),
        stages: Mapping[str, Sequence[str]] | None = None,
        poll_s: float = 10.0,
    ) -> None:
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise SettingsError("--profile slurm: there is no sbatch here; start the recipe on a login node")
        self._options, self._gpu_options, self._stages = options, gpu_options, stages or {}
        self._poll_s = poll_s
        self._suffix = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._looked_at = float("-inf")

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> None:
        """Submit a step, and wait for its end."""
        records.write(step.name, "job", {**job, "machine": "slurm"})
        submitted = self._named(self._name(step))
        if submitted is None:
            submitted = self._submit(step, records)
        records.write(step.name, "job", {**job, "machine": "slurm", "id": submitted})
        while self._alive(submitted):
            if records.path(step.name, "exit").exists() and not self._put_back(submitted, step, records):
                return
            time.sleep(self._poll_s)
        waited = time.monotonic()
        while not records.path(step.name, "exit").exists() and time.monotonic() - waited < _FILE_SYSTEM_S:
            if self._was_cancelled(submitted):
                break
            time.sleep(min(self._poll_s, 1.0))

    def still_running(self, job: dict[str, Any]) -> bool:
        """Whether a job that an earlier run of the recipe submitted waits or runs."""
        return job.get("machine") == "slurm" and bool(job.get("id")) and self._alive(str(job["id"]))

    def stop(self) -> None:
        """Leave jobs as they are: they go on, and the next run of the recipe finds them."""

    def _name(self, step: Step) -> str:
        return f"{step.name}-{self._suffix}"

    def _submit(self, step: Step, records: StepRecords) -> str:
        log = records.log(step.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        options = ["--parsable", f"--job-name={self._name(step)}", f"--output={log}", "--open-mode=append"]
        options += [f"--chdir={records.folder}", *self._options, *self._stages.get(step.stage, ())]
        options += self._gpu_options if step.heavy else ()
        process = [sys.executable, "-m", "cnn_mellin.workflow.step_process", str(records.folder), step.name]
        # The process takes the shell's place, so that the cluster's signals reach it.
        script = f'#!/bin/sh\nexport OMP_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-1}}"\nexec {shlex.join(process)}\n'
        done = subprocess.run(["sbatch", *options], input=script, text=True, capture_output=True, check=False)
        if done.returncode:
            raise UserError(f"{step.name}: sbatch refused it: {' '.join(done.stderr.split())}")
        job_id = done.stdout.strip().split(";")[0]
        with self._lock:
            self._jobs[job_id] = _Job(job_id, self._name(step), "PENDING")
            self._looked_at = float("-inf")
        return job_id

    def _named(self, name: str) -> str | None:
        """The job of a name that waits or runs."""
        with self._lock:
            self._looked_at = float("-inf")
        jobs = [job for job in self._look().values() if job.name == name and job.alive and job.state != "COMPLETING"]
        return jobs[0].job_id if jobs else None

    def _put_back(self, job_id: str, step: Step, records: StepRecords) -> bool:
        """Whether a job whose command was told to stop was put back into the queue, to go on later."""
        if (records.read(step.name, "exit") or {}).get("status") != GO_ON_STATUS:
            return False
        while True:
            job = self._look().get(job_id)
            if job is None or not job.alive:
                return False
            if job.state not in ("RUNNING", "COMPLETING", "SIGNALING"):
                records.delete(step.name, "exit")
                return True
            time.sleep(self._poll_s)

    def _alive(self, job_id: str) -> bool:
        job = self._look().get(job_id)
        return job is not None and job.alive

    def _was_cancelled(self, job_id: str) -> bool:
        """Whether Slurm still knows the job and says that something else than its command ended it."""
        known = subprocess.run(
            ["squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T"],
            capture_output=True,
            text=True,
            check=False,
        )
        return known.stdout.strip() in ("CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE")

    def _look(self) -> dict[str, _Job]:
        """Jobs of this recipe that Slurm knows; asked anew after a while, once for all steps."""
        with self._lock:
            if time.monotonic() - self._looked_at < self._poll_s:
                return self._jobs
            self._jobs, self._looked_at = self._squeue(), time.monotonic()
            return self._jobs

    def _squeue(self) -> dict[str, _Job]:
        user = os.environ.get("USER") or getpass.getuser()
        command = ["squeue", "--noheader", "--states=all", f"--user={user}", "--format=%i|%T|%j"]
        began = time.monotonic()
        while True:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                break
            if time.monotonic() - began > _PATIENCE_S:
                raise UserError(f"squeue has failed for {_PATIENCE_S:.0f} s: {' '.join(done.stderr.split())}")
            time.sleep(self._poll_s)
        fields = [line.split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2]
        return {
            job_id: _Job(job_id, name, state) for job_id, state, name in fields if name.endswith(f"-{self._suffix}")
        }
