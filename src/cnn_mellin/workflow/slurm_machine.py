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
from cnn_mellin.workflow.gathered import Gathered
from cnn_mellin.workflow.recipe_step import Step
from cnn_mellin.workflow.step_record import GO_ON_STATUS, StepRecords

__all__ = ["SlurmMachine"]

# States of jobs that have not ended for good.
_ALIVE = {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"}
_ALIVE |= {"RESIZING", "STAGE_OUT", "SIGNALING", "STOPPED", "SPECIAL_EXIT", "PREEMPTED", "RESV_DEL_HOLD"}
# For how long what a node wrote may take to be seen here.
_FILE_SYSTEM_S = 30.0
_PATIENCE_S = 600.0
# Steps that become ready within this time are submitted together.
_GATHER_S = 1.0


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
    """Submits steps as jobs, and looks at `squeue` until they have ended.

    Steps that become ready together and want the same of the cluster are the tasks of an array, others are jobs of
    their own. How a job ended is known from a file that its process leaves: `sacct`, which many clusters lack, is not
    asked. A job is found again by its name, which holds the recipe's folder, so that a recipe that was killed goes on
    with jobs that it had submitted, and submits none twice.

    Args:
        folder: of the recipe, on a file system that all nodes share.
        options: of sbatch, for all jobs.
        gpu_options: of sbatch, for jobs that compute models.
        stages: stage -> more options.
        poll_s: seconds between two looks at squeue.
        arrays: whether to submit arrays.

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
        arrays: bool = True,
    ) -> None:
        if shutil.which("sbatch") is None or shutil.which("squeue") is None:
            raise SettingsError("--profile slurm: there is no sbatch here; start the recipe on a login node")
        self._options, self._gpu_options, self._stages = options, gpu_options, stages or {}
        self._poll_s, self._records, self._arrays = poll_s, StepRecords(folder.resolve()), arrays
        self._submissions: Gathered[Step, str] = Gathered(self._submit, self._options_for, _GATHER_S)
        self._suffix = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._looked_at = float("-inf")

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> None:
        """Submit a step, and wait for its end."""
        records.write(step.name, "job", {**job, "machine": "slurm"})
        submitted = self._submitted(step)
        if submitted is None:
            submitted = self._submissions.ask(step)
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

    def _options_for(self, step: Step) -> tuple[str, ...]:
        """What a step wants of the cluster."""
        return (*self._options, *self._stages.get(step.stage, ()), *(self._gpu_options if step.heavy else ()))

    def _submit(self, steps: Sequence[Step]) -> list[str]:
        """Submit steps that want the same, together where that is possible; returns the ids of their jobs."""
        if len(steps) == 1 or not self._arrays:
            return [self._sbatch(f"{step.name}-{self._suffix}", [step], self._records.log(step.name)) for step in steps]
        names = "\n".join(step.name for step in steps)
        name = f"{steps[0].stage}-{hashlib.sha256(names.encode()).hexdigest()[:8]}-{self._suffix}"
        logs = self._array_logs(name)
        logs.mkdir(parents=True, exist_ok=True)
        for task, step in enumerate(steps):  # which step a task is, also for later runs; and where its log lies
            link = logs / str(task)
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..", "..", self._records.log(step.name).name))
        job_id = self._sbatch(name, steps, logs / "%a", f"--array=0-{len(steps) - 1}")
        return [f"{job_id}_{task}" for task in range(len(steps))]

    def _sbatch(self, name: str, steps: Sequence[Step], log: Path, *more: str) -> str:
        folder = self._records.folder
        self._records.log(steps[0].name).parent.mkdir(parents=True, exist_ok=True)
        options = ["--parsable", f"--job-name={name}", f"--output={log}", "--open-mode=append"]
        options += [f"--chdir={folder}", *self._options_for(steps[0]), *more]
        process = [sys.executable, "-m", "cnn_mellin.workflow.step_process", str(folder)]
        # The process takes the shell's place, so that the cluster's signals reach it.
        script = (
            "#!/bin/sh\n"
            'export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"\n'
            f"set -- {shlex.join(step.name for step in steps)}\n"
            'shift "${SLURM_ARRAY_TASK_ID:-0}"\n'
            f'exec {shlex.join(process)} "$1"\n'
        )
        done = subprocess.run(["sbatch", *options], input=script, text=True, capture_output=True, check=False)
        if done.returncode:
            raise UserError(f"{steps[0].name}: sbatch refused it: {' '.join(done.stderr.split())}")
        with self._lock:
            self._looked_at = float("-inf")
        return done.stdout.strip().split(";")[0]

    def _array_logs(self, name: str) -> Path:
        """For each task of an array, a link to the log of its step."""
        return self._records.folder / "logs" / "arrays" / name

    def _submitted(self, step: Step) -> str | None:
        """The job of a step that waits or runs."""
        with self._lock:
            self._looked_at = float("-inf")
        log = self._records.log(step.name).name
        for job in self._look().values():
            if job.alive and job.state != "COMPLETING":
                link = self._array_logs(job.name) / job.job_id.rpartition("_")[2]
                if job.name == f"{step.name}-{self._suffix}" or (link.is_symlink() and link.readlink().name == log):
                    return job.job_id
        return None

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
        command = ["squeue", "--noheader", "--array", "--states=all", f"--user={user}", "--format=%i|%T|%j"]
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
