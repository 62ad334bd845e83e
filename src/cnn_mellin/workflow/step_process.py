"""The process of one step: runs its command and leaves how it ended.

`python -m cnn_mellin.workflow.step_process FOLDER NAME [--attached]`, which the recipe starts, here or as a job of a
cluster. An attached process leaves when the one that started it has gone, even if that was killed.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.workflow.recipe_step import without_passwords
from cnn_mellin.workflow.step_record import StepRecords

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Run the command of `steps/NAME.job` in FOLDER; returns its exit status."""
    folder, name = Path(arguments[0]).resolve(), arguments[1]
    if "--attached" in arguments:
        threading.Thread(target=_leave_with_parent, name="watch parent", daemon=True).start()
    os.chdir(folder)
    records = StepRecords(folder)
    job: dict[str, Any] = records.read(name, "job") or {}
    status = 1
    try:
        status = _run(_expanded(folder, job["arguments"]), folder / job["stdout"] if job["stdout"] else None)
    except SystemExit as left:  # argparse's way to say that arguments are wrong
        status = left.code if isinstance(left.code, int) else 2
    finally:
        records.write(name, "exit", {"status": status, "fingerprint": job.get("fingerprint")})
    return status


def _run(arguments: Sequence[str], stdout: Path | None) -> int:
    from cnn_mellin.cli.main import main as run_command

    print(without_passwords(f"$ cnn-mellin {' '.join(arguments)}"), file=sys.stderr, flush=True)
    if stdout is None:
        return run_command(arguments)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = run_command(arguments)
    if status == 0:
        stdout.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(stdout) as file:
            file.write(printed.getvalue())
    return status


def _expanded(folder: Path, arguments: Sequence[str]) -> list[str]:
    """The arguments, with `@FILE` replaced by the words of the file."""
    words: list[str] = []
    for argument in arguments:
        found = (folder / argument[1:]).read_text(encoding="utf-8").split() if argument.startswith("@") else [argument]
        words += found
    return words


def _leave_with_parent() -> None:
    """Wait for the end of the pipe whose other end the parent holds."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
