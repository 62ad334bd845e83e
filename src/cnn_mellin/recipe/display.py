"""The display of a recipe: a line for each step that ended, and on a terminal what is running below them."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from types import TracebackType

from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import last_lines

__all__ = ["RecipeDisplay", "running_line"]

_EVERY_S, _LOOKS_AT_ONE = 0.5, 4


class RecipeDisplay:
    """Shows lines, and below them what is running, from the records of the recipe.

    Args:
        folder: of the recipe.
        quiet: show nothing.
    """

    def __init__(self, folder: str | Path, *, quiet: bool = False) -> None:
        # absolute, as the recipe changes into its folder while this watches
        self._records = StepRecords(Path(folder).resolve())
        self._quiet = quiet
        self._terminal = not quiet and sys.stdout.isatty()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="recipe display", daemon=True)

    def say(self, line: str) -> None:
        """Show a line that stays."""
        if not self._quiet:
            with self._lock:
                self._clear()
                print(line, flush=True)

    def __enter__(self) -> RecipeDisplay:
        if self._terminal:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._terminal:
            self._thread.join()
            with self._lock:
                self._clear()

    def _watch(self) -> None:
        looks = 0
        while not self._ended.wait(_EVERY_S):
            line = running_line(self._records, looks // _LOOKS_AT_ONE)
            looks += 1
            with self._lock:
                self._clear()
                print(line[: shutil.get_terminal_size().columns - 1], end="", flush=True)

    def _clear(self) -> None:
        if self._terminal:
            print("\r\x1b[2K", end="")


def running_line(records: StepRecords, turn: int = 0) -> str:
    """Numbers of steps that are done, running and waiting for a cluster, and the last line of the log of a running one.

    Args:
        records: of the recipe.
        turn: counts the lines shown, so that all running steps take turns.
    """
    kinds: dict[str, set[str]] = {"done": set(), "job": set(), "start": set(), "exit": set()}
    for path in (records.folder / "steps").glob("*"):
        name, _, kind = path.name.rpartition(".")
        if kind in kinds:
            kinds[kind].add(name)
    going = kinds["job"] - kinds["exit"]
    running = sorted(going & kinds["start"])
    line = f"{len(kinds['done'])} steps done, {len(running)} running"
    if len(going) > len(running):
        line += f", {len(going) - len(running)} waiting"
    if not running:
        return line
    name = running[turn % len(running)]
    return f"{line}; {name}: {last_lines(records.log(name), 1) or 'begins'}"
