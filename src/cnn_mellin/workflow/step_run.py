"""One step, run to its end on some machine, with what an earlier run of the recipe left of it."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnn_mellin.workflow.machine import LocalMachine, Machine
from cnn_mellin.workflow.recipe_step import Step
from cnn_mellin.workflow.step_record import GO_ON_STATUS, StepRecords

__all__ = ["StepFailed", "StepRunner"]

_MOST_ATTEMPTS = 50
# How a command ends that the user interrupted.
_INTERRUPTED = 130


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
            StepFailed: it ended badly, or did not make what it should.
        """
        began = time.monotonic()
        records, fingerprint = self.records, self.records.fingerprint(step)
        if records.made_already(step, fingerprint):
            records.finish(step)
            self._tell(step, "unchanged", began)
            return
        machine = self.here if step.light else self.machine
        records.delete(step.name, "done", "failed")
        status = self._wait_for_earlier(step, machine, fingerprint)
        if status is None:
            self._start_anew_if_changed(step, fingerprint)
        job = {"arguments": list(step.arguments), "stdout": step.stdout, "fingerprint": fingerprint}
        for product in step.products:
            (records.folder / product).parent.mkdir(parents=True, exist_ok=True)
        attempts = 0
        while status in (None, GO_ON_STATUS) and attempts < _MOST_ATTEMPTS:
            attempts += 1
            records.delete(step.name, "exit")
            machine.run(step, records, {**job, "began": time.time()})
            status = (records.read(step.name, "exit") or {}).get("status", "it was killed or cancelled")
        records.delete(step.name, "job", "exit")
        if status == _INTERRUPTED:
            self.interrupted = True
            raise StepFailed(f"{step.name}: interrupted")
        missing = records.finish(step) if status == 0 else []
        if status != 0 or missing:
            self._fail(step, f"made no {', '.join(missing)}" if missing else _ended(status), began)
        records.delete(step.name, "begun")
        self._tell(step, "done", began)

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

    def _fail(self, step: Step, why: str, began: float) -> None:
        line = f"{why}: {last_lines(self.records.log(step.name), 1) or 'its log is empty'}"
        self.records.write(step.name, "failed", {"why": why, "command": step.command})
        self.failed[step.name] = line
        self._tell(step, "FAILED", began)
        raise StepFailed(f"{step.name}: {line}")

    def _tell(self, step: Step, how: str, began: float) -> None:
        seconds = time.monotonic() - began
        with self.lock:
            self.num_ended += 1
            self.say(f"[{self.num_ended}/{self.num_steps}] {step.name}: {how} in {seconds:.0f} s")


def last_lines(log: Path, count: int) -> str:
    """The last lines of a log that are not empty."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.rpartition("\r")[2].rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def _ended(status: int | str | None) -> str:
    return f"ended with status {status}" if isinstance(status, int) else str(status)
