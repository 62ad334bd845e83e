"""Executor of steps as processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, Protocol

from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords

__all__ = ["LocalMachine", "Machine", "StepLeft"]


class StepLeft(Exception):  # noqa: N818 (what happened)
    """The recipe was told to stop, and leaves a job that keeps running."""


class Machine(Protocol):
    """Executor: runs the processes of steps."""

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """Run a step, and wait until it has ended.

        Its process writes its exit status to `steps/NAME.exit`, unless it is killed.

        Args:
            step: the step.
            records: the recipe's records.
            job: content of the record `steps/NAME.job`, which the process reads.

        Returns:
            The reason for which `steps/NAME.exit` may be missing, None where none is known.

        Raises:
            UserError: the process or job cannot be started.
            StepLeft: the recipe was told to stop, and the job keeps running.
        """

    def still_running(self, job: dict[str, Any]) -> bool:
        """True while a job of an earlier run of the recipe waits or runs."""

    def leave(self) -> None:
        """Stop waiting for jobs that run without the recipe."""

    def stop(self) -> None:
        """Terminate the processes that must not outlive the recipe."""


class LocalMachine:
    """Runs each step in a process on this machine, which ends when the recipe does.

    Args:
        threads: number of threads per process.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """Run a step, and wait until its process has ended."""
        records.delete(step.name, "exit", "start")
        records.write(step.name, "job", {**job, "machine": "local"})
        log = records.log(step.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "cnn_mellin.cli.step", str(records.folder), step.name]
        environment = {"OMP_NUM_THREADS": str(self._threads), **os.environ}
        records.write(step.name, "start", {"began": time.time()})
        with open(log, "ab") as output:
            process = subprocess.Popen(
                [*command, "--attached"], stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment
            )
        with self._lock:
            self._running.add(process)
        try:
            process.wait()
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with self._lock:
                self._running.discard(process)
        if process.returncode < 0:
            return f"it was killed or cancelled ({signal.strsignal(-process.returncode)})"
        return f"ended with status {process.returncode}"

    def still_running(self, job: dict[str, Any]) -> bool:
        """False: its processes end with the recipe."""
        return False

    def leave(self) -> None:
        """Do nothing: its processes end with the recipe."""

    def stop(self) -> None:
        """Terminate all processes."""
        with self._lock:
            for process in self._running:
                process.terminate()
