"""The whole recipe: all its steps, run by Snakemake as far as they are missing or out of date."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.recipe.executors.local import Machine
from cnn_mellin.recipe.options import RecipeOptions, write_options
from cnn_mellin.recipe.plan import plan_recipe, start_settings, steps_until, write_start_settings
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import StepRunner

__all__ = ["RecipeRun", "current_run", "delete_unplanned_transcripts", "run_recipe"]

_current: RecipeRun | None = None


@dataclass(frozen=True)
class RecipeRun:
    """What the workflow's file finds.

    Args:
        folder: of the recipe.
        steps: that are to be up to date at the end.
        runner: of the steps.
    """

    folder: Path
    steps: Sequence[Step]
    runner: StepRunner

    def run_step(self, name: str) -> None:
        """Run a step by its name."""
        self.runner.run(next(step for step in self.steps if step.name == name))

    def begin(self, dag: Any) -> None:
        """Take note of how many steps Snakemake finds out of date."""
        self.runner.num_steps = len(self._names(dag))

    def list_steps(self, dag: Any) -> None:
        """Say which steps Snakemake finds out of date, and their commands."""
        names = self._names(dag)
        for step in self.steps:
            if step.name in names:
                self.runner.say(f"{step.name}: {step.command}")
        self.runner.say(f"{len(names)} of {len(self.steps)} steps to do; the others are up to date")

    def _names(self, dag: Any) -> set[str]:
        return {job.rule.name for job in dag.needrun_jobs(exclude_finished=False)} - {"all"}


def current_run() -> RecipeRun:
    """The run that the workflow's file is read for."""
    assert _current is not None
    return _current


def run_recipe(
    options: RecipeOptions,
    folder: str | Path,
    *,
    machine: Machine,
    cores: int = 1,
    until: str | None = None,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, str]:
    """Do all that is missing or out of date.

    Args:
        options: of the recipe.
        folder: for all that it makes; made if need be.
        machine: where steps run.
        cores: steps at once.
        until: last stage.
        dry_run: only say what would be done.
        say: shows a line.

    Returns:
        What failed: step -> why; the rest is done.

    Raises:
        UserError: options are wrong, or the same recipe is running.
        KeyboardInterrupt: it was told to stop, by SIGINT or SIGTERM.
        ImportError: Snakemake is not installed (the extra `workflow`).
    """
    import filelock

    if cores < 1:
        raise SettingsError(f"--cores {cores}: must be at least 1")
    folder = Path(folder).resolve()
    steps_until([], until)
    start = start_settings(options)
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "steps" / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{folder}: the recipe is running there; see: cnn-mellin recipe status {folder}") from None
    try:
        write_start_settings(folder, start)
        write_options(folder, options)
        plan = plan_recipe(options, folder)
        steps = steps_until(plan, until)
        records = StepRecords(folder)
        changed = records.forget_changed(steps)
        for name in changed:
            say(f"{name}: what it made has changed or is gone")
        if not dry_run:
            delete_unplanned_transcripts(folder, plan, say)
        runner = StepRunner(records, machine, say)
        _execute(RecipeRun(folder, steps, runner), cores, dry_run)
    finally:
        lock.release()
    return runner.failed


def delete_unplanned_transcripts(folder: Path, plan: Sequence[Step], say: Callable[[str], None]) -> None:
    """Delete transcripts of seeds and decoder settings that are no longer wanted, as `compare` would count them."""
    planned = {folder / product for step in plan for product in step.products if product.endswith(".trn")}
    planned = {path for path in planned if "systems" in path.relative_to(folder).parts}
    systems = {parent for path in planned for parent in path.parents if parent.parent.name == "systems"}
    for path in sorted(path for system in systems for path in system.rglob("*.trn")):
        if path not in planned:
            path.unlink()
            say(f"{path.relative_to(folder)}: deleted, as it is no part of this recipe any more")


@contextmanager
def _when_told_to_stop(react: Callable[[], None]) -> Iterator[None]:
    """Call a function as soon as SIGINT or SIGTERM comes, besides what Snakemake does then: wait for all steps."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, told = socket.socketpair()
    told.setblocking(False)

    def watch() -> None:
        while numbers := ours.recv(64):
            if {signal.SIGINT, signal.SIGTERM} & set(numbers):
                react()

    watcher = threading.Thread(target=watch, name="signals of the recipe", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        told.close()
        watcher.join()
        ours.close()


def _execute(run: RecipeRun, cores: int, dry_run: bool) -> None:
    global _current
    # by name, as it is an extra and has no types
    types: Any = import_module("snakemake.settings.types")
    quietness: Any = import_module("snakemake.settings.enums").Quietness
    workflow_error: Any = import_module("snakemake.exceptions").WorkflowError
    scheduler_settings = import_module("snakemake.scheduling.greedy").SchedulerSettings()
    snakemake_api: Any = import_module("snakemake.api").SnakemakeApi
    output = types.OutputSettings(
        quiet={quietness.ALL}, enable_file_logging=False, skip_plugin_handlers=True, log_level_override=logging.CRITICAL
    )
    _current = run
    path = sys.path[:]  # Snakemake puts the Snakefile's folder there, whose modules are not meant to be seen so
    try:
        with snakemake_api(output) as api:
            workflow = api.workflow(
                resource_settings=types.ResourceSettings(cores=cores),
                snakefile=Path(__file__).with_name("Snakefile"),
                workdir=run.folder,
            )
            dag = workflow.dag(types.DAGSettings(force_incomplete=True))
            how = types.ExecutionSettings(use_threads=True, keep_going=True, lock=False)
            order = types.SchedulingSettings(scheduler="greedy")
            try:
                with _when_told_to_stop(run.runner.machine.leave):
                    dag.execute_workflow(
                        executor="dryrun" if dry_run else "local",
                        execution_settings=how,
                        scheduling_settings=order,
                        scheduler_settings=scheduler_settings,
                    )
            except workflow_error as error:
                # told to stop, Snakemake lets running steps end, and then says no more than that not all were run
                if run.runner.interrupted or (not run.runner.failed and "did not complete" in str(error)):
                    raise KeyboardInterrupt from None
                if not run.runner.failed:
                    raise
            if dry_run:
                run.list_steps(workflow._workflow.dag)
    finally:
        run.runner.machine.stop()
        run.runner.here.stop()
        sys.path[:] = path
        _current = None
