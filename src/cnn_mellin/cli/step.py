"""Process of one recipe step: runs the step's command and records its exit status.

The recipe starts `python -m cnn_mellin.cli.step FOLDER NAME [--attached]` on this machine or as a job of a cluster. An
attached process exits when the process that started it has ended, even if that was killed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from cnn_mellin.atomic import atomic_file
from cnn_mellin.cli.main import main as run_command
from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.text_file import read_text
from cnn_mellin.recipe.step import without_passwords
from cnn_mellin.recipe.step_records import StepRecords

__all__ = ["main"]

# Suffixes of outputs for programs, which are not copied to the log.
_DATA_SUFFIXES = (".json", ".ini")


def main(arguments: Sequence[str]) -> int:
    """Run the command of `steps/NAME.job` in FOLDER.

    Args:
        arguments: FOLDER, NAME and perhaps `--attached`.

    Returns:
        Exit status of the command.

    Raises:
        DataError: the job names no command.
    """
    folder, name = Path(arguments[0]).resolve(), arguments[1]
    if "--attached" in arguments:
        threading.Thread(target=_exit_with_parent, name="watch parent", daemon=True).start()
    os.chdir(folder)
    records, began = StepRecords(folder), time.time()
    _flush_each_line()
    job: dict[str, Any] = records.read(name, "job") or {}
    if "arguments" not in job:
        raise DataError(f"{records.path(name, 'job')}: names no command; run the recipe's command again")
    records.delete(name, "exit")
    records.write(name, "start", {"began": began})
    status = 1
    try:
        status = _run(_expanded(folder, job["arguments"]), folder / job["stdout"] if job.get("stdout") else None)
    except SystemExit as end:  # raised by argparse for wrong arguments
        status = end.code if isinstance(end.code, int) else 2
    finally:
        seconds = max(time.time() - began, 0.0)
        records.write(name, "exit", {"status": status, "fingerprint": job.get("fingerprint"), "seconds": seconds})
    return status


def _run(arguments: Sequence[str], stdout: Path | None) -> int:
    """Run a command; write what it prints to a file, too, if it succeeds."""
    print(without_passwords(f"$ cnn-mellin {' '.join(arguments)}"), file=sys.stderr, flush=True)
    if stdout is None:
        return run_command(arguments)
    printed = _Copied(None if stdout.suffix in _DATA_SUFFIXES else sys.stdout)
    status = 1
    try:
        with contextlib.redirect_stdout(printed):
            status = run_command(arguments)
    finally:
        if status != 0 and printed.copy is None:  # the reason of a failure must not be lost with the output
            sys.stdout.write(printed.getvalue())
            sys.stdout.flush()
    if status == 0:
        stdout.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(stdout) as file:
            file.write(printed.getvalue())
    return status


def _expanded(folder: Path, arguments: Sequence[str]) -> list[str]:
    """Replace each `@FILE` among the arguments by the words of the file."""
    words: list[str] = []
    for argument in arguments:
        words += read_text(folder / argument[1:]).split() if argument.startswith("@") else [argument]
    return words


class _Copied(io.StringIO):
    """A text buffer that also writes to another stream.

    Args:
        copy: the other stream; None for only the buffer.
    """

    def __init__(self, copy: TextIO | None) -> None:
        super().__init__()
        self.copy = copy

    def write(self, text: str) -> int:
        if self.copy is not None:
            self.copy.write(text)
            self.copy.flush()
        return super().write(text)


def _flush_each_line() -> None:
    """Flush each line, as logs are read while they grow, and write UTF-8 whatever the locale of the machine."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _exit_with_parent() -> None:
    """Exit when the pipe closes whose other end the parent process holds."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"cnn-mellin: {error}")
