"""Live display of a recipe: on a terminal, one line below the log shows the steps that are running."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from pathlib import Path
from types import TracebackType

from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import last_lines

__all__ = ["RecipeDisplay", "running_line"]

_REFRESH_S = 0.5
_REFRESHES_PER_STEP = 4


class _AboveTheLine(logging.Handler):
    """Passes records on to other handlers, and erases the running line before each."""

    def __init__(self, display: RecipeDisplay, handlers: list[logging.Handler]) -> None:
        super().__init__()
        self._display, self.handlers = display, handlers

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record above the running line."""
        with self._display.lock:
            self._display.clear()
            for handler in self.handlers:
                if record.levelno >= handler.level:
                    handler.handle(record)


class RecipeDisplay:
    """Context that shows a line about the running steps, read from the recipe's records, below what the package logs.

    Where standard output is not a terminal, or with `quiet`, there is no such line.

    Args:
        folder: the recipe's folder.
        quiet: show no line.
    """

    def __init__(self, folder: str | Path, *, quiet: bool = False) -> None:
        # Resolved now, as the recipe changes the working directory to its folder.
        self._records = StepRecords(Path(folder).resolve())
        self._active = not quiet and sys.stdout.isatty()
        self._logger = logging.getLogger("cnn_mellin")
        self._above = _AboveTheLine(self, [])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="recipe display", daemon=True)
        self.lock = threading.Lock()

    def __enter__(self) -> RecipeDisplay:
        if self._active:
            self._above.handlers = self._logger.handlers
            self._logger.handlers = [self._above]
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._active:
            self._ended.set()
            self._thread.join()
            self._logger.handlers = self._above.handlers
            with self.lock:
                self.clear()

    def clear(self) -> None:
        """Erase the running line; the caller holds the lock."""
        print("\r\x1b[2K", end="", flush=True)

    def _watch(self) -> None:
        refreshes = 0
        while not self._ended.wait(_REFRESH_S):
            line = running_line(self._records, refreshes // _REFRESHES_PER_STEP)
            refreshes += 1
            with self.lock:
                self.clear()
                print(line[: shutil.get_terminal_size().columns - 1], end="", flush=True)


def running_line(records: StepRecords, turn: int = 0) -> str:
    """Numbers of steps that are done, running and waiting for a cluster, and the last log line of a running step.

    Args:
        records: the recipe's records.
        turn: number that selects the running step whose log is shown: counting up shows all of them in turn.
    """
    names: dict[str, set[str]] = {"done": set(), "job": set(), "start": set(), "exit": set()}
    for path in (records.folder / "steps").glob("*"):
        name, _, kind = path.name.rpartition(".")
        if kind in names:
            names[kind].add(name)
    unfinished = names["job"] - names["exit"]
    running = sorted(unfinished & names["start"])
    line = f"{len(names['done'])} steps done, {len(running)} running"
    if len(unfinished) > len(running):
        line += f", {len(unfinished) - len(running)} waiting"
    if not running:
        return line
    name = running[turn % len(running)]
    return f"{line}; {name}: {last_lines(records.log(name), 1) or 'begins'}"
