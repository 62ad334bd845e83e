"""Records of a recipe's steps: a few small files per step, in the folder `steps`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import filelock

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.nearest import nearest
from cnn_mellin.recipe.step import Step

__all__ = ["RESUME_STATUS", "StepRecords", "is_locked"]

RESUME_STATUS = 75
"""Exit status of a command that was told to stop, and has saved what it needs to resume."""

_SHAPES: dict[str, Any] = {
    "done": {"products?": {str: str}},
    "made": {"from": str, "products": {str: str}, "seconds?": (float, None)},
    "begun": {"from?": str, "found?": [str], "seconds?": float},
    "job": {
        "arguments?": [str],
        "stdout?": str,
        "fingerprint?": str,
        "machine?": str,
        "began?": float,
        "id?": str,
        "cluster?": str,
        "job_name?": str,
        "attempts?": int,
        "listed?": bool,
        "gone_at?": float,
        "resources?": {str: (str, int, float, None)},
    },
    "start": {"began": float},
    "exit": {
        "status": int,
        "fingerprint?": (str, None),
        "seconds?": float,
        "how?": str,
        "notes?": [str],
        "began?": float,
    },
    "failed": {"why?": str, "command?": str, "reason?": str},
}

# Larger files are identified by size and time of modification instead of their content.
_HASHED_BYTES = 1_000_000


@dataclass(frozen=True)
class StepRecords:
    """The records of a recipe.

    Their files are `NAME.done` (products of the step: all that later steps depend on), `NAME.made` (products, the
    fingerprint of the inputs, and the seconds of work), `NAME.begun` (fingerprint of a step in progress), `NAME.job`
    (where the step waits or runs), `NAME.start` (when its process started), `NAME.exit` (how the last one ended),
    `NAME.failed`, and `plan.json` (all steps).

    Args:
        folder: the recipe's folder.
    """

    folder: Path

    def path(self, name: str, kind: str) -> Path:
        """File of a step's record; kind is done, made, begun, job, start, exit or failed."""
        return self.folder / "steps" / f"{name}.{kind}"

    def log(self, name: str) -> Path:
        """Log file of a step."""
        return self.folder / "logs" / f"{name}.log"

    def read(self, name: str, kind: str) -> dict[str, Any] | None:
        """Read a record; None where it does not exist.

        Raises:
            DataError: the record is damaged.
        """
        path = self.path(name, kind)
        if not path.exists():
            return None
        remedy = "delete it and run the recipe's command again, which repeats the step where that is needed"
        try:
            content = read_json(path)
        except DataError as error:
            if not path.exists():  # deleted meanwhile
                return None
            raise DataError(f"{error}; {remedy}") from None
        fault = shape_fault(content, _SHAPES[kind])
        if fault is not None:
            raise DataError(f"{path}: {fault}; {remedy}")
        return content

    def write(self, name: str, kind: str, content: dict[str, Any]) -> None:
        """Write a record atomically."""
        path = self.path(name, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            json.dump(content, file, indent=1, sort_keys=True)

    def delete(self, name: str, *kinds: str) -> None:
        """Delete records, where they exist."""
        for kind in kinds:
            self.path(name, kind).unlink(missing_ok=True)

    def write_plan(self, steps: Sequence[Step]) -> None:
        """Write the steps of the recipe, with the digests of what they read."""
        plan = {step.name: asdict(replace(step, known_digest=step.digest(self.folder))) for step in steps}
        text = json.dumps(plan, indent=1)
        path = self.folder / "steps" / "plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != text.encode():
            with atomic_file(path) as file:
                file.write(text)

    def plan(self) -> dict[str, Step]:
        """Read the steps of the recipe, by name.

        Raises:
            DataError: the folder holds no plan, or it is damaged.
        """
        path = self.folder / "steps" / "plan.json"
        content = read_json(path, expected="the steps of a recipe; run cnn-mellin recipe")
        fault = shape_fault(content, {str: {"name": str, "stage": str, "arguments": [str], "known_digest": str}})
        names = {field.name for field in fields(Step)}
        if fault is not None or any(set(about) - names for about in content.values()):
            raise DataError(f"{path}: is damaged ({fault or 'unknown names'}); run the recipe's command again")
        lists: dict[str, dict[str, Any]]
        lists = {name: {k: tuple(v) if isinstance(v, list) else v for k, v in a.items()} for name, a in content.items()}
        return {name: Step(**about) for name, about in lists.items()}

    def step(self, name: str) -> Step:
        """A step of the plan.

        Raises:
            DataError: the plan has no step of this name.
        """
        plan = self.plan()
        if name not in plan:
            raise DataError(f"{self.folder}: its recipe has no step {name!r}; {nearest(name, plan)}")
        return plan[name]

    def fingerprint(self, step: Step) -> str:
        """Digest of all that a step's result depends on: its own digest and the products of the steps it needs."""
        inputs = [self.path(name, "done").read_bytes() for name in step.needs]
        return hashlib.sha256(repr((step.digest(self.folder), inputs)).encode()).hexdigest()[:16]

    def finish(self, step: Step, seconds: float | None = None) -> list[str]:
        """Record that a step is done, unless products are missing.

        Args:
            step: a step whose command has ended with status 0.
            seconds: seconds of work; None keeps the recorded number.

        Returns:
            The products that are missing.
        """
        missing = [product for product in step.products if not (self.folder / product).exists()]
        if not missing:
            if seconds is None:
                seconds = self.seconds(step.name)
            made = {"from": self.fingerprint(step), "products": self._products(step), "seconds": seconds}
            self.write(step.name, "made", made)
            self.write(step.name, "done", {"products": made["products"]})
        return missing

    def made_already(self, step: Step, fingerprint: str) -> bool:
        """True where all products of a step exist unchanged, and were made from inputs with this fingerprint."""
        made = self.read(step.name, "made") or {}
        return made.get("from") == fingerprint and made.get("products") == self._products(step)

    def seconds(self, name: str) -> float | None:
        """Seconds of work that a step took; None where they are unknown."""
        seconds: float | None = (self.read(name, "made") or {}).get("seconds")
        return seconds

    def forget_changed(self, steps: Sequence[Step]) -> list[str]:
        """Delete the `done` records of steps whose products have changed or are missing; returns the steps' names."""
        forgotten = []
        for step in steps:
            record = self.read(step.name, "done")
            if self.path(step.name, "done").exists() and (record or {}).get("products") != self._products(step):
                self.delete(step.name, "done")
                forgotten.append(step.name)
        return forgotten

    def forget_outdated(self, steps: Sequence[Step]) -> None:
        """Delete the `done` records of steps that were made from other inputs, as far as these are known already."""
        for step in steps:
            if all(self.path(name, "done").exists() for name in (step.name, *step.needs)):
                if (self.read(step.name, "made") or {}).get("from") != self.fingerprint(step):
                    self.delete(step.name, "done")

    def steps_to_do(self, steps: Sequence[Step]) -> list[Step]:
        """Steps without a `done` record, and steps that follow them or were done before the steps that they need.

        Args:
            steps: steps of the recipe, each after the steps that it needs.
        """
        to_do: dict[str, Step] = {}
        for step in steps:
            done = self.path(step.name, "done")
            before = [self.path(name, "done") for name in step.needs]
            if (
                any(name in to_do for name in step.needs)
                or not done.exists()
                or any(path.exists() and path.stat().st_mtime_ns > done.stat().st_mtime_ns for path in before)
            ):
                to_do[step.name] = step
        return list(to_do.values())

    def _products(self, step: Step) -> dict[str, str]:
        return {product: _state(self.folder / product) for product in step.products}


def is_locked(path: Path) -> bool:
    """True while a process on this machine holds a file lock; False where the file does not exist."""
    if not path.exists():
        return False
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _state(path: Path) -> str:
    """State of a product: digest of a small file; size and time of modification of a large one."""
    if not path.is_file():
        return "folder" if path.is_dir() else "missing"
    about = path.stat()
    if about.st_size > _HASHED_BYTES:
        return f"{about.st_size} bytes of {about.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()
