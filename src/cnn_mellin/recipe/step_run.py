"""Run of one step to its end, which takes over what an earlier run of the recipe has left."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from cnn_mellin.errors import UserError
from cnn_mellin.recipe.executors.local import LocalMachine, Machine, StepLeft
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import RESUME_STATUS, StepRecords

__all__ = ["StepFailed", "StepRunner", "failure_line", "last_lines"]

_LOGGER = logging.getLogger(__name__)

_MOST_ATTEMPTS = 50
# Exit status of a command that the user interrupted.
_INTERRUPTED = 130
# Stands for the exit status of a process that left none.
_KILLED = -1
# Number of bytes read from the end of a log.
_TAIL_BYTES = 1 << 16
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StepFailed(RuntimeError):  # noqa: N818 (what the step did)
    """A step has failed; the message is the reason, from the end of its log."""


@dataclass
class StepRunner:
    """Runs the steps of a recipe, and logs the end of each.

    Args:
        records: the recipe's records.
        machine: executor of all steps that are not light.
        num_steps: number of steps to run, for the log.
        num_ended: number of steps that have ended.
        failed: failed steps: name -> reason.
        interrupted: a step was interrupted, as the recipe was told to stop.
        here: executor of light steps.
        lock: lock of `num_ended`.
    """

    records: StepRecords
    machine: Machine
    num_steps: int = 0
    num_ended: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    here: LocalMachine = field(default_factory=LocalMachine)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, step: Step) -> None:
        """Run a step, or wait for the job that an earlier run of the recipe submitted for it.

        Raises:
            StepFailed: the command failed or did not make its products, or the recipe was told to stop.
        """
        try:
            self._run(step)
        except StepLeft:
            self.interrupted = True
            raise StepFailed(f"{step.name}: interrupted; its job keeps running") from None
        except UserError as error:  # for example a damaged record
            self._fail(step, "cannot be run", str(error), 0.0)

    def _run(self, step: Step) -> None:
        records, fingerprint = self.records, self.records.fingerprint(step)
        if records.made_already(step, fingerprint):
            records.finish(step)
            self._log_end(step, "unchanged", 0.0)
            return
        machine = self.here if step.light else self.machine
        records.delete(step.name, "done", "failed")
        status = self._wait_for_earlier(step, machine, fingerprint)
        if status is None:
            self._restart_if_changed(step, fingerprint)
        job = {"arguments": list(step.arguments), "stdout": step.stdout, "fingerprint": fingerprint}
        for product in step.products:
            if product in step.arguments:  # commands create the folders that they are given, not those of single files
                (records.folder / product).parent.mkdir(parents=True, exist_ok=True)
        attempts, seconds = 0, self._worked(step)
        why: str | None = None
        while status in (None, RESUME_STATUS) and attempts < _MOST_ATTEMPTS:
            seconds = 0.0 if attempts == 0 else seconds
            attempts += 1
            try:
                why = machine.run(step, records, {**job, "began": time.time()})
            except UserError as error:
                records.delete(step.name, "job", "start", "exit")
                self._fail(step, "could not be started", str(error), seconds)
            ended = records.read(step.name, "exit")
            status = ended["status"] if ended is not None else _KILLED
            seconds += self._worked(step)
        records.delete(step.name, "job", "start", "exit")
        if status == _INTERRUPTED and isinstance(machine, LocalMachine):
            self.interrupted = True
            raise StepFailed(f"{step.name}: interrupted")
        missing = records.finish(step, seconds) if status == 0 else []
        if status != 0 or missing:
            if missing:
                why = f"did not make {', '.join(missing)}"
            elif status == _KILLED:
                why = why or "it was killed or cancelled"
            else:
                why = f"ended with status {status}"
            self._fail(step, why, failure_line(self.records.log(step.name), own=status != _KILLED), seconds)
        records.delete(step.name, "begun")
        self._log_end(step, "done", seconds)

    def _worked(self, step: Step) -> float:
        """Seconds for which the process of a step ran; the time that its job waited does not count."""
        ended, start = self.records.read(step.name, "exit"), self.records.read(step.name, "start")
        if ended is not None and "seconds" in ended:
            return float(ended["seconds"])
        return max(time.time() - start["began"], 0.0) if start is not None else 0.0

    def _wait_for_earlier(self, step: Step, machine: Machine, fingerprint: str) -> int | None:
        """Wait for the job of an earlier run of the recipe; returns 0 where it did this step, None otherwise."""
        earlier = self.records.read(step.name, "job")
        if earlier is None:
            return None
        if machine.still_running(earlier):
            _LOGGER.info("%s: waiting for the job of an earlier run", step.name)
            while machine.still_running(earlier):
                time.sleep(1)
        ended = self.records.read(step.name, "exit")
        if ended is None or earlier.get("fingerprint") != fingerprint or ended.get("fingerprint") != fingerprint:
            return None
        return 0 if ended["status"] == 0 else None

    def _restart_if_changed(self, step: Step, fingerprint: str) -> None:
        """Delete what an earlier run made from other inputs; folders that no run of the recipe created are kept."""
        begun = self.records.read(step.name, "begun")
        existing = [folder for folder in step.resumes if (self.records.folder / folder).exists()]
        known = begun or self.records.read(step.name, "made")
        found = existing if known is None else [folder for folder in known.get("found", []) if folder in existing]
        if (begun or {}).get("from") != fingerprint:
            for folder in existing:
                if folder not in found:
                    _LOGGER.info("%s: restarts, as its inputs have changed", step.name)
                    shutil.rmtree(self.records.folder / folder)
            self.records.log(step.name).unlink(missing_ok=True)
        self.records.write(step.name, "begun", {"from": fingerprint, "found": found})

    def _fail(self, step: Step, why: str, reason: str, seconds: float) -> NoReturn:
        line = f"{why}: {reason}"
        self.records.write(step.name, "failed", {"why": why, "command": step.command})
        self.failed[step.name] = line
        self._log_end(step, "FAILED", seconds)
        raise StepFailed(f"{step.name}: {line}")

    def _log_end(self, step: Step, how: str, seconds: float) -> None:
        with self.lock:
            self.num_ended += 1
            _LOGGER.info("[%d/%d] %s: %s in %.0f s", self.num_ended, self.num_steps, step.name, how, seconds)


def last_lines(log: Path, count: int) -> str:
    """The last lines of a log that are not empty, without control characters and escape sequences."""
    try:
        with open(log, "rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = (_ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))
    shown = ["".join(c if c.isprintable() else " " for c in line) for line in lines if line.strip()]
    return "\n".join(shown[-count:])


def failure_line(log: Path, *, own: bool) -> str:
    """The line of a log that best explains why a step failed.

    Args:
        log: log file of the step.
        own: its process ended by itself. Then its own last message is the reason, not what libraries print after it.
    """
    lines = last_lines(log, 200).split("\n")
    begins = [i for i, line in enumerate(lines) if line.startswith("$ cnn-mellin")]
    lines = lines[begins[-1] + 1 :] if begins else lines
    for line in reversed(lines) if own else ():
        if line.startswith("cnn-mellin"):
            return line
        if line.startswith("Traceback"):
            break
    return next((line for line in lines[-1:] if line), "its log is empty")
