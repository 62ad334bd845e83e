"""Status of a recipe, on one screen."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.formats.text_table import format_table
from cnn_mellin.recipe.options import read_options
from cnn_mellin.recipe.plan import plan_recipe
from cnn_mellin.recipe.slurm_queue import ENDED_STATES, WAITING_STATES, SlurmJob, SlurmQueue, job_suffix
from cnn_mellin.recipe.step import STAGES, Step
from cnn_mellin.recipe.step_records import RESUME_STATUS, StepRecords, is_locked
from cnn_mellin.recipe.step_run import is_running, last_lines
from cnn_mellin.recipe.time_left import duration_text

__all__ = ["recipe_status", "step_state"]

_MOST_FAILED, _MOST_SHOWN = 5, 10
_STATES = ("done", "waiting", "running", "failed", "left")


def step_state(step: Step, records: StepRecords, *, going: bool, queue_state: str | None = None) -> str:
    """State of a step: done, waiting (for a cluster), running, failed or left.

    Args:
        step: a step of the recipe.
        records: the recipe's records.
        going: whether the recipe is running.
        queue_state: state of the step's job according to squeue; empty where squeue does not list the job, None where
            squeue was not asked or did not answer.
    """
    if records.path(step.name, "done").exists():
        return "done"
    job, ended = records.read(step.name, "job"), records.read(step.name, "exit")
    if job is not None and ended is not None:
        return _ended_state(step, records, ended["status"], queue_state, going=going)
    on_cluster = job is not None and job.get("machine") == "slurm"
    if job is not None and (going or on_cluster):
        lives = queue_state is None or (queue_state and queue_state not in ENDED_STATES)
        if on_cluster and not lives and not going:  # it ended or was cancelled while no recipe waited for it
            return "failed" if records.path(step.name, "start").exists() else "left"
        if on_cluster and (queue_state in WAITING_STATES or not records.path(step.name, "start").exists()):
            return "waiting"
        return "running"
    return "failed" if records.path(step.name, "failed").exists() else "left"


def recipe_status(folder: str | Path) -> str:
    """Table of done, waiting, running, failed and left steps per stage, and the last log lines of failed steps.

    Args:
        folder: the recipe's folder.

    Raises:
        DataError: the folder holds no recipe, or a record in it is damaged.
    """
    folder = Path(folder)
    steps, records = plan_recipe(read_options(folder), folder), StepRecords(folder)
    going = is_going(folder) or any(is_running(records, step.name) for step in steps)  # by snakemake itself
    queued = _queue_states(steps, records)
    states = {step.name: step_state(step, records, going=going, queue_state=queued.get(step.name)) for step in steps}
    rows = []
    for stage in STAGES:
        names = [step.name for step in steps if step.stage == stage]
        if names:
            counts = [sum(states[name] == state for name in names) for state in _STATES]
            seconds = [records.seconds(name) for name in names if states[name] == "done"]
            known = [each for each in seconds if each is not None]
            work = duration_text(sum(known)) if known else "-"
            rows.append([stage, *(str(count) if count else "-" for count in counts), work])
    lines = [f"{folder}: {_standing(states, going=going)}", "", format_table(["stage", *_STATES, "work"], rows)]
    for state, line in (("running", _running_line), ("waiting", _waiting_line)):
        names = [name for name in states if states[name] == state]
        if names:
            lines += ["", f"{state}:", *(line(name, records) for name in names[:_MOST_SHOWN])]
        if len(names) > _MOST_SHOWN:
            lines.append(f"  and {len(names) - _MOST_SHOWN} more")
    failed = [name for name, state in states.items() if state == "failed"]
    for name in failed[:_MOST_FAILED]:
        why = (records.read(name, "failed") or {}).get("why", "failed")
        lines += ["", f"{name} {why}; the end of {records.log(name)}:"]
        lines += [f"  {line[:160]}" for line in last_lines(records.log(name), 3).splitlines()]
    if len(failed) > _MOST_FAILED:
        lines += ["", f"and {len(failed) - _MOST_FAILED} more failed: {', '.join(failed[_MOST_FAILED:])}"]
    return "\n".join(lines)


def is_going(folder: Path) -> bool:
    """True while a process runs the recipe of a folder."""
    return is_locked(folder / "steps" / ".lock")


def _standing(states: Mapping[str, str], *, going: bool) -> str:
    """Status of the recipe as a whole."""
    values = list(states.values())
    if going:
        return "running"
    if all(state == "done" for state in values):
        return "finished"
    jobs = values.count("waiting") + values.count("running")
    if jobs:
        return f"not running, but {jobs} of its jobs are; run the same command to wait for them and resume"
    failed = values.count("failed")
    if failed:
        return f"not running, {failed} {'step' if failed == 1 else 'steps'} failed; run the same command to resume"
    return "not running; run the same command to resume"


def _queue_states(steps: Sequence[Step], records: StepRecords) -> dict[str, str]:
    """States of the steps' jobs according to squeue, where it is installed and answers."""
    jobs: dict[str, SlurmJob] = {}
    for step in steps:
        job: dict[str, Any] = records.read(step.name, "job") or {}
        if job.get("machine") == "slurm" and job.get("id"):
            jobs[step.name] = SlurmJob(job["id"], job.get("job_name", ""), cluster=job.get("cluster", ""))
    if not jobs or shutil.which("squeue") is None:
        return {}
    answer = SlurmQueue(job_suffix(records.folder), {job.cluster for job in jobs.values()}).look()
    states = {name: answer.state(job) for name, job in jobs.items()}
    return {name: state for name, state in states.items() if state is not None}


def _ended_state(step: Step, records: StepRecords, status: int, queue_state: str | None, *, going: bool) -> str:
    """State of a step whose process has ended, before the recipe has recorded the end."""
    if going:
        return "running"
    if status == RESUME_STATUS:
        return "waiting" if queue_state in WAITING_STATES else "left"
    if status == 0 and all((records.folder / product).exists() for product in step.products):
        return "done"
    return "failed"


def _running_line(name: str, records: StepRecords) -> str:
    job, start = records.read(name, "job") or {}, records.read(name, "start") or {}
    began = start.get("began", time.time())
    place = f"job {job['id']}, " if job.get("id") else ""
    latest = last_lines(records.log(name), 1)
    return f"  {name} ({place}{duration_text(time.time() - began)}): {latest[:100]}"


def _waiting_line(name: str, records: StepRecords) -> str:
    job = records.read(name, "job") or {}
    return f"  {name}" + (f" (job {job['id']})" if job.get("id") else "")
