"""Run of a recipe: Snakemake runs all steps whose results are missing or out of date."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import filelock

from cnn_mellin.attached import attached_command
from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.recipe.options import RecipeOptions
from cnn_mellin.recipe.plan import start_settings, steps_until
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import failure_line, last_lines
from cnn_mellin.recipe.time_left import result, time_left
from cnn_mellin.recipe.workflow import check_steps, stamps, write_workflow

__all__ = ["run_recipe"]

_LOGGER = logging.getLogger(__name__)

_LOOK_S = 0.2


def run_recipe(
    options: RecipeOptions,
    folder: str | Path,
    *,
    profile: Path,
    cores: int | None = None,
    until: str | None = None,
    dry_run: bool = False,
    before_steps: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Write a recipe's workflow, and let Snakemake run the steps whose results are missing or out of date.

    Each step that has ended is logged, at level info.

    Args:
        options: the recipe's options.
        folder: folder of all files that the recipe makes; created where it is missing.
        profile: folder of a Snakemake profile.
        cores: number of steps that run at the same time; None for what the profile says.
        until: last stage to run; None for all.
        dry_run: log the commands of the steps to do, and run none.
        before_steps: called once all options have been checked, before the first step.

    Returns:
        Failed steps: name -> reason. All others are done.

    Raises:
        UserError: options are wrong, the same recipe is running already, or Snakemake has failed.
        KeyboardInterrupt: SIGINT or SIGTERM stopped the recipe.
    """
    if cores is not None and cores < 1:
        raise SettingsError(f"cores {cores}: must be at least 1")
    folder = Path(folder).resolve()
    steps_until([], until)
    start_settings(options)  # so that nothing is written where they are wrong
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "steps" / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{folder}: the recipe is already running; see: cnn-mellin recipe status {folder}") from None
    try:
        write_workflow(folder, options)
        plan, changed = check_steps(folder)
        steps, records = steps_until(plan, until), StepRecords(folder)
        before_steps()
        wanted = {step.name for step in steps}
        for name in changed:
            if name in wanted:
                _LOGGER.info("%s: its products have changed or are missing", name)
        to_do = records.steps_to_do(steps)
        if dry_run:
            for step in to_do:
                _LOGGER.info("%s: %s", step.name, step.command)
            _LOGGER.info("%d of %d steps to do; the others are up to date", len(to_do), len(steps))
            return {}
        if not to_do:
            return {}
        for step in to_do:
            records.delete(step.name, "failed")
            if _runs_here(records, step.name):  # left by a run that was killed
                records.delete(step.name, "job", "start")
        targets = stamps(steps) if until is not None else []
        more = ["-j", str(cores)] if cores is not None else []
        arguments = ["--config", "checked=True", "--profile", str(profile), *more, *targets]
        return _snakemake(folder, arguments, _Ends(records, to_do, steps))
    finally:
        lock.release()


@dataclass
class _Ends:
    """Notes and logs how steps end, by their records.

    Args:
        records: the recipe's records.
        steps: steps that are to be run.
        wanted: these, and those that were done before.
        most_running: largest number of steps that were seen running at the same time.
        begun: steps that were seen running.
        seen: name -> time of modification of the record that has been noted.
        failed: failed steps: name -> reason.
    """

    records: StepRecords
    steps: Sequence[Step]
    wanted: Sequence[Step]
    most_running: int = 1
    begun: set[str] = field(default_factory=set)
    seen: dict[str, int] = field(default_factory=dict)
    num_ended: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seen = self._found()

    def look(self) -> None:
        """Log the steps that have ended since the last call."""
        found = self._found()
        running = {step.name: step for step in self.steps if self.records.path(step.name, "start").exists()}
        for name in running.keys() - self.begun:
            _LOGGER.debug("%s: begins: %s", name, running[name].command)
        self.begun |= running.keys()
        self.most_running = max(self.most_running, len(running))
        new = {name: at for name, at in found.items() if self.seen.get(name) != at}
        self.seen = found
        for name in sorted(new, key=lambda name: new[name]):
            ended = self.records.read(name, "exit")
            if ended is None or ended.get("how") in (None, "interrupted"):
                continue
            for note in ended.get("notes", []):
                _LOGGER.info(note)
            self.num_ended += 1
            how, seconds = ended["how"], ended.get("seconds", 0.0)
            more = [f"{how} in {seconds:.0f} s", result(last_lines(self.records.log(name), 1))]
            left = time_left(self.records, self.wanted, self.most_running)
            more.append("" if left is None else str(left))
            _LOGGER.info("[%d/%d] %s: %s", self.num_ended, len(self.steps), name, ", ".join(filter(None, more)))

    def close(self) -> None:
        """Collect the steps that have failed."""
        self.look()
        for step in self.steps:
            failed = self.records.read(step.name, "failed")
            if failed is None and _runs_here(self.records, step.name):
                failed = {"why": "it was killed or cancelled", "command": step.command}
                self.records.write(step.name, "failed", failed)
                self.records.delete(step.name, "start", "job")
            if failed is not None:
                status = (self.records.read(step.name, "exit") or {"status": -1})["status"]
                reason = failure_line(self.records.log(step.name), own=status >= 0)
                self.failed[step.name] = f"{failed.get('why', 'failed')}: {failed.get('reason') or reason}"

    def _found(self) -> dict[str, int]:
        found = {}
        for step in self.steps:
            try:
                found[step.name] = self.records.path(step.name, "exit").stat().st_mtime_ns
            except FileNotFoundError:
                continue
        return found


def _runs_here(records: StepRecords, name: str) -> bool:
    """True where a step has begun on this machine, and has not recorded an end."""
    return (records.read(name, "job") or {}).get("machine") == "local"


def _snakemake(folder: Path, arguments: Sequence[str], ends: _Ends) -> dict[str, str]:
    """Run Snakemake in a recipe's folder; returns the steps that have failed, and why."""
    log = folder / "logs" / "snakemake.log"
    log.parent.mkdir(exist_ok=True)
    command = attached_command("snakemake", ["-d", str(folder), "-s", str(folder / "Snakefile"), *arguments])
    # The Snakefile and its profiles call the command cnn-mellin, which is beside this Python.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with open(log, "wb") as output, _interrupted_by_sigterm():
        # In a session of its own, as a terminal would interrupt Snakemake, too, which then waits for all its steps.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                ends.look()
                time.sleep(_LOOK_S)
        finally:
            process.kill()  # its steps end with it; jobs of a cluster keep running, and the next run finds them
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
    ends.close()
    if process.returncode and not ends.failed:
        lines = last_lines(log, 40).split("\n")
        told = [line.strip() for line in lines if line.startswith("cnn-mellin:") or "error" in line.lower()]
        raise UserError(f"{folder}: Snakemake has failed: {(told or lines)[-1]} (see {log})")
    return ends.failed


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM, as on SIGINT."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
