"""One step, run to its end on some machine, with what an earlier run of the recipe left of it."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from cnn_mellin.errors import UserError
from cnn_mellin.recipe.executors.local import LocalMachine, Machine, StepLeft
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import GO_ON_STATUS, StepRecords

__all__ = ["StepFailed", "StepRunner", "failure_line", "last_lines"]

_MOST_ATTEMPTS = 50
# How a command ends that the user interrupted.
_INTERRUPTED = 130
# Stands for the exit status of a process that left none.
_KILLED = -1
# More of a log's end is not looked at.
_TAIL_BYTES = 1 << 16
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class StepFailed(RuntimeError):  # noqa: N818 (what the step did)
    """A step's command ended badly; its text is the log's last line."""


@dataclass
class StepRunner:
    """Runs the steps of a recipe.

    Args:
        records: of the recipe.
        machine: for what is not light.
        say: shows a line.
    """

    records: StepRecords
    machine: Machine
    say: Any = print
    num_steps: int = 0
    num_ended: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    here: LocalMachine = field(default_factory=LocalMachine)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, step: Step) -> None:
        """Run a step, or wait for the job that runs it already.

        Raises:
            StepFailed: it ended badly, did not make what it should, or goes on while the recipe was told to stop.
        """
        try:
            self._run(step)
        except StepLeft:
            self.interrupted = True
            raise StepFailed(f"{step.name}: interrupted; its job goes on") from None
        except UserError as error:  # such as a damaged record
            self._fail(step, "cannot be run", str(error), 0.0)

    def _run(self, step: Step) -> None:
        records, fingerprint = self.records, self.records.fingerprint(step)
        if records.made_already(step, fingerprint):
            records.finish(step)
            self._tell(step, "unchanged", 0.0)
            return
        machine = self.here if step.light else self.machine
        records.delete(step.name, "done", "failed")
        status = self._wait_for_earlier(step, machine, fingerprint)
        if status is None:
            self._start_anew_if_changed(step, fingerprint)
        job = {"arguments": list(step.arguments), "stdout": step.stdout, "fingerprint": fingerprint}
        for product in step.products:
            (records.folder / product).parent.mkdir(parents=True, exist_ok=True)
        attempts, seconds = 0, self._worked(step)
        why: str | None = None
        while status in (None, GO_ON_STATUS) and attempts < _MOST_ATTEMPTS:
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
                why = f"made no {', '.join(missing)}"
            elif status == _KILLED:
                why = why or "it was killed or cancelled"
            else:
                why = f"ended with status {status}"
            self._fail(step, why, failure_line(self.records.log(step.name), own=status != _KILLED), seconds)
        records.delete(step.name, "begun")
        self._tell(step, "done", seconds)

    def _worked(self, step: Step) -> float:
        """Seconds that the process of a step worked, without those that its job waited."""
        ended, start = self.records.read(step.name, "exit"), self.records.read(step.name, "start")
        if ended is not None and "seconds" in ended:
            return float(ended["seconds"])
        return max(time.time() - start["began"], 0.0) if start is not None else 0.0

    def _wait_for_earlier(self, step: Step, machine: Machine, fingerprint: str) -> int | None:
        """Exit status of a job that an earlier run of the recipe began, None where it is of no use."""
        earlier = self.records.read(step.name, "job")
        if earlier is None:
            return None
        if machine.still_running(earlier):
            self.say(f"{step.name}: an earlier run's job goes on; waiting for it")
            while machine.still_running(earlier):
                time.sleep(1)
        ended = self.records.read(step.name, "exit")
        if ended is None or earlier.get("fingerprint") != fingerprint or ended.get("fingerprint") != fingerprint:
            return None
        return 0 if ended["status"] == 0 else None

    def _start_anew_if_changed(self, step: Step, fingerprint: str) -> None:
        """Delete what an earlier run of the recipe began from something else; what it did not begin is left alone."""
        begun = self.records.read(step.name, "begun")
        there = [folder for folder in step.resumes if (self.records.folder / folder).exists()]
        known = begun or self.records.read(step.name, "made")
        found = there if known is None else [folder for folder in known.get("found", []) if folder in there]
        if (begun or {}).get("from") != fingerprint:
            for folder in there:
                if folder not in found:
                    self.say(f"{step.name}: begun anew, as what it is made from has changed")
                    shutil.rmtree(self.records.folder / folder)
            self.records.log(step.name).unlink(missing_ok=True)
        self.records.write(step.name, "begun", {"from": fingerprint, "found": found})

    def _fail(self, step: Step, why: str, reason: str, seconds: float) -> NoReturn:
        line = f"{why}: {reason}"
        self.records.write(step.name, "failed", {"why": why, "command": step.command})
        self.failed[step.name] = line
        self._tell(step, "FAILED", seconds)
        raise StepFailed(f"{step.name}: {line}")

    def _tell(self, step: Step, how: str, seconds: float) -> None:
        with self.lock:
            self.num_ended += 1
            self.say(f"[{self.num_ended}/{self.num_steps}] {step.name}: {how} in {seconds:.0f} s")


def last_lines(log: Path, count: int) -> str:
    """The last lines of a log that are not empty, without what a terminal would not show."""
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
    """The line of a log that tells best why a step failed.

    Args:
        log: of the step.
        own: whether its process ended by itself, and so has said why; what follows that are remarks of libraries.
    """
    lines = last_lines(log, 200).split("\n")
    begins = [i for i, line in enumerate(lines) if line.startswith("$ cnn-mellin")]
    lines = lines[begins[-1] + 1 :] if begins else lines
    for line in reversed(lines) if own else ():
        if line.startswith("cnn-mellin"):
            return line
        if line.startswith("Traceback"):
            break
    return next((line for line in lines[-1:] if line), "it said nothing")
