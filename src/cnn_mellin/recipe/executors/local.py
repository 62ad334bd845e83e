"""Where steps run: processes of this machine."""

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
    """A step goes on without the recipe, which was told to stop."""


class Machine(Protocol):
    """Runs the processes of steps."""

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """Run a step to its end, however that is; `steps/NAME.exit` then says how, or is missing.

        Args:
            step: what is run.
            records: of the recipe.
            job: what its process finds in `steps/NAME.job`.

        Returns:
            Why `steps/NAME.exit` is missing, as far as that is known.

        Raises:
            UserError: it cannot be started.
            StepLeft: the recipe was told to stop, and the step goes on.
        """

    def still_running(self, job: dict[str, Any]) -> bool:
        """Whether a job that an earlier run of the recipe began goes on."""

    def leave(self) -> None:
        """Wait no longer for steps that go on without the recipe."""

    def stop(self) -> None:
        """End what ends with the recipe."""


class LocalMachine:
    """Processes that end with the recipe's, one thread each.

    Args:
        threads: of each process.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, step: Step, records: StepRecords, job: dict[str, Any]) -> str | None:
        """Run a step to its end."""
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
        """Never: its processes end with the recipe."""
        return False

    def leave(self) -> None:
        """Nothing: its processes end with the recipe."""

    def stop(self) -> None:
        """End all processes."""
        with self._lock:
            for process in self._running:
                process.terminate()
