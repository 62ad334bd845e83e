"""Live display of a recipe: on a terminal, one line below the log shows the steps that are running."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from cnn_mellin.errors import DataError
from cnn_mellin.recipe.plan import steps_until
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import last_lines
from cnn_mellin.recipe.time_left import TimeLeft, progress, time_left

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
        until: last stage that is run; None for all.
        quiet: show no line.
    """

    def __init__(self, folder: str | Path, *, until: str | None = None, quiet: bool = False) -> None:
        # Resolved now, as the recipe changes the working directory to its folder.
        self._records = StepRecords(Path(folder).resolve())
        self._until = until
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
        refreshes = most_running = 0
        steps: list[Step] = []
        left: TimeLeft | None = None
        while not self._ended.wait(_REFRESH_S):
            turn, refreshes_of_turn = divmod(refreshes, _REFRESHES_PER_STEP)
            refreshes += 1
            most_running = max(most_running, len(_running(_recorded(self._records))))
            if refreshes_of_turn == 0:
                steps = self._steps()
                left = time_left(self._records, steps, most_running)
            line = running_line(self._records, turn, num_steps=len(steps), left=left)
            with self.lock:
                self.clear()
                print(line[: shutil.get_terminal_size().columns - 1], end="", flush=True)

    def _steps(self) -> list[Step]:
        """Steps of the plan; none before it is written."""
        try:
            return steps_until(list(self._records.plan().values()), self._until)
        except DataError:
            return []


def running_line(
    records: StepRecords, turn: int = 0, *, num_steps: int | None = None, left: TimeLeft | None = None
) -> str:
    """Numbers of steps that are done, running and waiting for a cluster, the time left, and what a running step does.

    Args:
        records: the recipe's records.
        turn: number that selects the running step whose log is shown: counting up shows all of them in turn.
        num_steps: number of steps to be done, with those that are done already; None or 0 where it is unknown.
        left: estimate of the time left; None where it is unknown.
    """
    names = _recorded(records)
    running = _running(names)
    num_waiting = len(names["job"] - names["exit"]) - len(running)
    parts = [f"{len(names['done'])}{f' of {num_steps}' if num_steps else ''} steps done", f"{len(running)} running"]
    if num_waiting:
        parts.append(f"{num_waiting} waiting")
    if left is not None:
        parts.append(str(left))
    line = ", ".join(parts)
    if not running:
        return line
    name = running[turn % len(running)]
    return f"{line}; {name}: {progress(last_lines(records.log(name), 1)) or 'begins'}"


def _running(recorded: Mapping[str, set[str]]) -> list[str]:
    return sorted((recorded["job"] - recorded["exit"]) & recorded["start"])


def _recorded(records: StepRecords) -> dict[str, set[str]]:
    """Kind of record -> names of the steps that have one."""
    names: dict[str, set[str]] = {"done": set(), "job": set(), "start": set(), "exit": set()}
    for path in (records.folder / "steps").glob("*"):
        name, _, kind = path.name.rpartition(".")
        if kind in names:
            names[kind].add(name)
    return names
