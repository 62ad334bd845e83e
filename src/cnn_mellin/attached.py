"""Run of a module in a process that ends when the process that started it does, even if that is killed.

`python -m cnn_mellin.attached MODULE ARGUMENTS...` is `python -m MODULE ARGUMENTS...` with a thread that reads from
standard input, a pipe whose other end the parent process holds. When the pipe closes, this process exits.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import sys
import threading
from collections.abc import Sequence

__all__ = ["attached_command", "flush_each_line"]


def attached_command(module: str, arguments: Sequence[str]) -> list[str]:
    """Command that runs a module attached to the process that starts it with a pipe as standard input.

    >>> attached_command("cnn_mellin", ["--version"])[1:]
    ['-m', 'cnn_mellin.attached', 'cnn_mellin', '--version']
    """
    return [sys.executable, "-m", "cnn_mellin.attached", module, *arguments]


def flush_each_line() -> None:
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
    threading.Thread(target=_exit_with_parent, name="watch parent", daemon=True).start()
    flush_each_line()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
