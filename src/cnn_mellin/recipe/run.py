"""Run of a recipe: Snakemake runs all steps whose results are missing or out of date."""

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

import filelock

from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.recipe.executors.local import Machine
from cnn_mellin.recipe.options import RecipeOptions, write_options
from cnn_mellin.recipe.plan import plan_recipe, start_settings, steps_until, write_start_settings
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import StepRunner

__all__ = ["RecipeRun", "current_run", "delete_unplanned_transcripts", "run_recipe"]

_LOGGER = logging.getLogger(__name__)

_current: RecipeRun | None = None


@dataclass(frozen=True)
class RecipeRun:
    """Run of a recipe, as the Snakefile sees it.

    Args:
        folder: the recipe's folder.
        steps: steps that are to be up to date at the end.
        runner: runner of the steps.
    """

    folder: Path
    steps: Sequence[Step]
    runner: StepRunner

    def run_step(self, name: str) -> None:
        """Run a step by its name."""
        self.runner.run(next(step for step in self.steps if step.name == name))

    def begin(self, dag: Any) -> None:
        """Note the number of steps that Snakemake finds out of date."""
        self.runner.num_steps = len(self._names(dag))

    def list_steps(self, dag: Any) -> None:
        """Log the steps that Snakemake finds out of date, and their commands."""
        names = self._names(dag)
        for step in self.steps:
            if step.name in names:
                _LOGGER.info("%s: %s", step.name, step.command)
        _LOGGER.info("%d of %d steps to do; the others are up to date", len(names), len(self.steps))

    def _names(self, dag: Any) -> set[str]:
        return {job.rule.name for job in dag.needrun_jobs(exclude_finished=False)} - {"all"}


def current_run() -> RecipeRun:
    """The run for which Snakemake reads the Snakefile."""
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
    before_steps: Callable[[], None] = lambda: None,
) -> dict[str, str]:
    """Run the steps of a recipe whose results are missing or out of date.

    Each step that has ended is logged, at level info.

    Args:
        options: the recipe's options.
        folder: folder of all files that the recipe makes; created where it is missing.
        machine: executor of the steps.
        cores: number of steps that run at the same time.
        until: last stage to run; None for all.
        dry_run: log the commands of the steps to do, and run none.
        before_steps: called once all options have been checked, before the first step.

    Returns:
        Failed steps: name -> reason. All others are done.

    Raises:
        UserError: options are wrong, or the same recipe is running already.
        KeyboardInterrupt: SIGINT or SIGTERM stopped the recipe.
        ImportError: Snakemake is not installed (the extra `workflow`).
    """
    if cores < 1:
        raise SettingsError(f"cores {cores}: must be at least 1")
    folder = Path(folder).resolve()
    steps_until([], until)
    start = start_settings(options)
    (folder / "steps").mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "steps" / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(f"{folder}: the recipe is already running; see: cnn-mellin recipe status {folder}") from None
    try:
        write_start_settings(folder, start)
        write_options(folder, options)
        plan = plan_recipe(options, folder)
        steps = steps_until(plan, until)
        before_steps()
        records = StepRecords(folder)
        for name in records.forget_changed(steps):
            _LOGGER.info("%s: its products have changed or are missing", name)
        if not dry_run:
            delete_unplanned_transcripts(folder, plan)
        runner = StepRunner(records, machine)
        _execute(RecipeRun(folder, steps, runner), cores, dry_run)
    finally:
        lock.release()
    return runner.failed


def delete_unplanned_transcripts(folder: Path, plan: Sequence[Step]) -> None:
    """Delete transcripts of seeds and decoding options that the plan no longer has, as `compare` would count them.

    Args:
        folder: the recipe's folder.
        plan: all steps of the recipe.
    """
    planned = {folder / product for step in plan for product in step.products if product.endswith(".trn")}
    planned = {path for path in planned if "systems" in path.relative_to(folder).parts}
    systems = {parent for path in planned for parent in path.parents if parent.parent.name == "systems"}
    for path in sorted(path for system in systems for path in system.rglob("*.trn")):
        if path not in planned:
            path.unlink()
            _LOGGER.info("%s: deleted, as it is no longer part of this recipe", path.relative_to(folder))


@contextmanager
def _on_stop_signal(react: Callable[[], None]) -> Iterator[None]:
    """Call a function on SIGINT or SIGTERM, in addition to Snakemake's own handler, which waits for all steps."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, wakeup = socket.socketpair()
    wakeup.setblocking(False)

    def watch() -> None:
        while numbers := ours.recv(64):
            if {signal.SIGINT, signal.SIGTERM} & set(numbers):
                react()

    watcher = threading.Thread(target=watch, name="signals of the recipe", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        wakeup.close()
        watcher.join()
        ours.close()


def _execute(run: RecipeRun, cores: int, dry_run: bool) -> None:
    global _current
    # Imported by name, as Snakemake is an extra and has no type hints.
    types: Any = import_module("snakemake.settings.types")
    quietness: Any = import_module("snakemake.settings.enums").Quietness
    workflow_error: Any = import_module("snakemake.exceptions").WorkflowError
    scheduler_settings = import_module("snakemake.scheduling.greedy").SchedulerSettings()
    snakemake_api: Any = import_module("snakemake.api").SnakemakeApi
    output = types.OutputSettings(
        quiet={quietness.ALL}, enable_file_logging=False, skip_plugin_handlers=True, log_level_override=logging.CRITICAL
    )
    _current = run
    path = sys.path[:]  # Snakemake adds the folder of the Snakefile, whose modules are not top-level modules
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
                with _on_stop_signal(run.runner.machine.leave):
                    dag.execute_workflow(
                        executor="dryrun" if dry_run else "local",
                        execution_settings=how,
                        scheduling_settings=order,
                        scheduler_settings=scheduler_settings,
                    )
            except workflow_error as error:
                # After SIGINT, Snakemake lets running steps end, and reports only that not all were run.
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
