"""Run of one step: its command, unless the step is up to date, and the records of how it ended."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

import filelock

from cnn_mellin.atomic import atomic_file
from cnn_mellin.attached import attached_command
from cnn_mellin.errors import UserError
from cnn_mellin.formats.text_file import read_text
from cnn_mellin.recipe.step import Step, without_passwords
from cnn_mellin.recipe.step_records import RESUME_STATUS, StepRecords, is_locked

__all__ = ["delete_unplanned_transcripts", "end_with_parent", "failure_line", "is_running", "last_lines", "run_step"]

_LOGGER = logging.getLogger(__name__)

_MOST_ATTEMPTS = 50
# Exit status of a command that the user interrupted.
_INTERRUPTED = 130
# Suffixes of outputs for programs, which are not copied to the log.
_DATA_SUFFIXES = (".json", ".ini")
_WATCH_S = 0.2
# Number of bytes read from the end of a log.
_TAIL_BYTES = 1 << 16
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_FORWARDED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


def run_step(folder: str | Path, name: str, *, once: bool = False) -> int:
    """Run a step of a recipe, unless its products are up to date by the content of what it reads.

    Args:
        folder: the recipe's folder.
        name: name of the step in the plan.
        once: end when the command asks to be resumed, instead of resuming it.

    Returns:
        0, or the exit status of the command; 1 where it did not make its products.

    Raises:
        UserError: the step cannot be run; for example, a record is damaged.
    """
    records = StepRecords(Path(folder).resolve())
    step = records.step(name)
    with filelock.FileLock(_lock_of(records, name)):  # the process of a killed run ends within a moment
        try:
            return _Run(records, step, records.fingerprint(step)).run(once=once)
        except (UserError, OSError) as error:
            records.write(name, "failed", {"why": "cannot be run", "command": step.command, "reason": str(error)})
            records.delete(name, "start")
            raise


def is_running(records: StepRecords, name: str) -> bool:
    """True while a process on this machine runs a step."""
    return records.path(name, "start").exists() and is_locked(_lock_of(records, name))


def end_with_parent() -> None:
    """End this process, and with it the command of its step, once the process that started it has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_S)
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()


def delete_unplanned_transcripts(folder: Path, plan: Sequence[Step]) -> list[str]:
    """Delete transcripts of seeds and decoding options that the plan no longer has, as `compare` would count them.

    Args:
        folder: the recipe's folder.
        plan: all steps of the recipe.

    Returns:
        A line per deleted file.
    """
    planned = {folder / product for step in plan for product in step.products if product.endswith(".trn")}
    planned = {path for path in planned if "systems" in path.relative_to(folder).parts}
    systems = {parent for path in planned for parent in path.parents if parent.parent.name == "systems"}
    unplanned = sorted(path for system in systems for path in system.rglob("*.trn") if path not in planned)
    for path in unplanned:
        path.unlink(missing_ok=True)  # another comparison may do the same at this time
    return [f"{path.relative_to(folder)}: deleted, as it is no longer part of this recipe" for path in unplanned]


class _Run:
    """One run of a step.

    Args:
        records: the recipe's records.
        step: the step.
        fingerprint: digest of all that its result depends on.
    """

    def __init__(self, records: StepRecords, step: Step, fingerprint: str) -> None:
        self.records, self.step, self.fingerprint = records, step, fingerprint
        self.notes: list[str] = []
        self.began = time.time()
        self.earlier = self.seconds = 0.0  # of attempts that were interrupted, and of all

    def run(self, *, once: bool) -> int:
        """Run the step; returns the exit status."""
        records, step = self.records, self.step
        if records.made_already(step, self.fingerprint):
            records.finish(step)
            return self._end("unchanged", 0)
        records.delete(step.name, "done", "failed", "exit")
        self._restart_if_changed()
        if step.stage == "compare":
            self.notes += delete_unplanned_transcripts(records.folder, list(records.plan().values()))
        for product in step.products:
            if product in step.arguments:  # commands create the folders that they are given, not those of single files
                (records.folder / product).parent.mkdir(parents=True, exist_ok=True)
        if not once:
            records.write(step.name, "job", {"machine": "local", "fingerprint": self.fingerprint})
        records.write(step.name, "start", {"began": self.began})
        status = RESUME_STATUS
        for _ in range(1 if once else _MOST_ATTEMPTS):
            try:
                status = self._command()
            except UserError as error:
                return self._fail("could not be started", str(error), 2)
            finally:
                self.seconds = self.earlier + max(time.time() - self.began, 0.0)
            if status != RESUME_STATUS:
                break
        begun = records.read(step.name, "begun") or {}
        records.write(step.name, "begun", {**begun, "seconds": self.seconds})
        if status == _INTERRUPTED or (once and status == RESUME_STATUS):
            return self._end("interrupted", status)
        missing = records.finish(step, self.seconds) if status == 0 else []
        if missing:
            return self._fail(f"did not make {', '.join(missing)}", None, 1)
        if status < 0:
            return self._fail(f"it was killed or cancelled ({signal.strsignal(-status)})", None, status)
        if status != 0:
            return self._fail(f"ended with status {status}", None, status)
        records.delete(step.name, "begun")
        return self._end("done", 0)

    def _command(self) -> int:
        """Run the command once; returns its exit status, negative where a signal ended it."""
        records, step = self.records, self.step
        log = records.log(step.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = self._command_line()
        with open(log, "ab", buffering=0) as output:
            output.write(without_passwords(f"$ cnn-mellin {' '.join(self._words())}\n").encode())
            # The signals first: one that comes between the start of the command and its handler would end this process.
            with (
                _ForwardedSignals() as signals,
                subprocess.Popen(
                    command,
                    cwd=records.folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE if step.stdout else output,
                    stderr=output,
                    start_new_session=True,
                ) as process,
            ):
                signals.forward_to(process)
                printed = _Printed(process.stdout, None if step.stdout.endswith(_DATA_SUFFIXES) else output)
                # Not `communicate`, which would close the pipe that tells the process when this one ends.
                status = process.wait()
                printed.thread.join()
            if step.stdout and status != 0 and printed.copy is None:
                output.write(printed.content)  # the reason of a failure must not be lost with the output
        if step.stdout and status == 0:
            path = records.folder / step.stdout
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path, "wb") as file:
                file.write(printed.content)
        return status

    def _command_line(self) -> list[str]:
        if self.step.num_processes == 1:
            return attached_command("cnn_mellin", self._words())
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.step.num_processes}"]
        return [sys.executable, *launcher, "-m", "cnn_mellin.attached", "cnn_mellin", *self._words()]

    def _words(self) -> list[str]:
        """The arguments, in which each `@FILE` is replaced by the words of the file."""
        words: list[str] = []
        for argument in self.step.arguments:
            file = self.records.folder / argument[1:]
            words += read_text(file).split() if argument.startswith("@") else [argument]
        return words

    def _restart_if_changed(self) -> None:
        """Delete what an earlier run made from other inputs; folders that no run of the recipe created are kept."""
        records, step = self.records, self.step
        begun = records.read(step.name, "begun")
        existing = [folder for folder in step.resumes if (records.folder / folder).exists()]
        known = begun or records.read(step.name, "made")
        found = existing if known is None else [folder for folder in known.get("found", []) if folder in existing]
        if begun is not None and begun.get("from") == self.fingerprint:
            self.earlier = begun.get("seconds", 0.0)
        else:
            for folder in existing:
                if folder not in found:
                    self.notes.append(f"{step.name}: restarts, as its inputs have changed")
                    shutil.rmtree(records.folder / folder)
            records.log(step.name).unlink(missing_ok=True)
        records.write(step.name, "begun", {"from": self.fingerprint, "found": found, "seconds": self.earlier})

    def _fail(self, why: str, reason: str | None, status: int) -> int:
        self.records.write(self.step.name, "failed", {"why": why, "command": self.step.command})
        reason = reason or failure_line(self.records.log(self.step.name), own=status >= 0)
        _LOGGER.warning("%s: %s: %s", self.step.name, why, reason)
        return self._end("FAILED", status)

    def _end(self, how: str, status: int) -> int:
        about = {"status": status, "fingerprint": self.fingerprint, "seconds": self.seconds, "how": how}
        self.records.write(self.step.name, "exit", {**about, "notes": self.notes, "began": self.began})
        self.records.delete(self.step.name, "start")
        if (self.records.read(self.step.name, "job") or {}).get("machine") == "local":
            self.records.delete(self.step.name, "job")
        return status if status >= 0 else 128 - status


class _Printed:
    """Output of a process, read by a thread, which may copy it to a file.

    Args:
        stream: the process's output; None for nothing to read.
        copy: file to which it is copied; None for none.
    """

    def __init__(self, stream: IO[bytes] | None, copy: IO[bytes] | None) -> None:
        self.stream, self.copy = stream, copy
        self.content = b""
        self.thread = threading.Thread(target=self._read, name="output of a step", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while self.stream is not None and (line := self.stream.readline()):
            self.content += line
            if self.copy is not None:
                self.copy.write(line)


class _ForwardedSignals:
    """Context that passes signals on to a process, which decides what they mean; in the main thread alone.

    Signals that come before the process has started are passed on as soon as it has.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _ForwardedSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._forward) for number in _FORWARDED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def forward_to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass signals on to a process, and first those that have come already."""
        self._process = process
        while self._early:
            self._forward(self._early.pop(0), None)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def _lock_of(records: StepRecords, name: str) -> Path:
    return records.path(name, "lock")


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
