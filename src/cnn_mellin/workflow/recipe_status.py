"""How a recipe stands, on one screen."""

from __future__ import annotations

import time
from pathlib import Path

from cnn_mellin.scoring.text_table import format_table
from cnn_mellin.workflow.recipe_options import read_options
from cnn_mellin.workflow.recipe_plan import plan_recipe
from cnn_mellin.workflow.recipe_step import STAGES, Step
from cnn_mellin.workflow.step_record import StepRecords
from cnn_mellin.workflow.step_run import last_lines

__all__ = ["recipe_status", "step_state"]

_MOST_FAILED, _MOST_RUNNING = 5, 10
_STATES = ("done", "running", "failed", "left")


def step_state(step: Step, records: StepRecords, *, going: bool) -> str:
    """Whether a step is done, running, failed or left.

    Args:
        step: of the recipe.
        records: of the recipe.
        going: whether the recipe is running.
    """
    if records.path(step.name, "done").exists():
        return "done"
    job = records.read(step.name, "job")
    if job is not None and not records.path(step.name, "exit").exists() and (going or job.get("machine") == "slurm"):
        return "running"
    return "failed" if records.path(step.name, "failed").exists() else "left"


def recipe_status(folder: str | Path) -> str:
    """What is done, running, failed (with the last lines of the log) and left of each stage.

    Raises:
        DataError: the folder holds no recipe.
    """
    folder = Path(folder)
    steps, records, going = plan_recipe(read_options(folder), folder), StepRecords(folder), is_going(folder)
    states = {step.name: step_state(step, records, going=going) for step in steps}
    rows = []
    for stage in STAGES:
        names = [step.name for step in steps if step.stage == stage]
        if names:
            counts = [sum(states[name] == state for name in names) for state in _STATES]
            rows.append([stage, *(str(count) if count else "-" for count in counts)])
    lines = [f"{folder}: {'running' if going else 'not running'}", "", format_table(["stage", *_STATES], rows)]
    running = [name for name, state in states.items() if state == "running"]
    if running:
        lines += ["", "running:", *(_running_line(name, records) for name in running[:_MOST_RUNNING])]
    if len(running) > _MOST_RUNNING:
        lines.append(f"  and {len(running) - _MOST_RUNNING} more")
    failed = [name for name, state in states.items() if state == "failed"]
    for name in failed[:_MOST_FAILED]:
        why = (records.read(name, "failed") or {}).get("why", "failed")
        lines += ["", f"{name} {why}; the end of {records.log(name)}:"]
        lines += [f"  {line[:160]}" for line in last_lines(records.log(name), 3).splitlines()]
    if len(failed) > _MOST_FAILED:
        lines += ["", f"and {len(failed) - _MOST_FAILED} more failed: {', '.join(failed[_MOST_FAILED:])}"]
    return "\n".join(lines)


def is_going(folder: Path) -> bool:
    """Whether a process runs the recipe of a folder."""
    import filelock

    path = folder / "steps" / ".lock"
    if not path.exists():
        return False
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _running_line(name: str, records: StepRecords) -> str:
    job = records.read(name, "job") or {}
    seconds = max(time.time() - job.get("began", time.time()), 0)
    place = f"job {job['id']}, " if job.get("id") else ""
    latest = last_lines(records.log(name), 1)
    return f"  {name} ({place}{seconds / 60:.0f} min): {latest[:100]}"
