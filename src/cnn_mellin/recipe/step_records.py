"""What is known of the steps of a recipe: files in its folder `steps`, one or a few a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.recipe.step import Step

__all__ = ["GO_ON_STATUS", "StepRecords"]

GO_ON_STATUS = 75
"""How a command ends that was told to stop, and has saved what it needs to go on."""

_SHAPES: dict[str, Any] = {
    "done": {"products?": {str: str}},
    "made": {"from": str, "products": {str: str}, "seconds?": (float, None)},
    "begun": {"from?": str},
    "job": {
        "arguments?": [str],
        "stdout?": str,
        "fingerprint?": str,
        "machine?": str,
        "began?": float,
        "id?": str,
        "cluster?": str,
        "job_name?": str,
    },
    "start": {"began": float},
    "exit": {"status": int, "fingerprint?": (str, None), "seconds?": float},
    "failed": {"why?": str, "command?": str},
}

# Larger files are known by size and time of change.
_HASHED_BYTES = 1_000_000


@dataclass(frozen=True)
class StepRecords:
    """The records of a recipe.

    Files are `NAME.done` (what the step made: all that steps after it look at), `NAME.made` (that, from what, and in
    how many seconds of work), `NAME.begun` (what it was begun from), `NAME.job` (where it waits or runs), `NAME.start`
    (when its process began), `NAME.exit` (how that ended, and after how many seconds) and `NAME.failed`.

    Args:
        folder: of the recipe.
    """

    folder: Path

    def path(self, name: str, kind: str) -> Path:
        """The file of a kind: done, made, begun, job, start, exit or failed."""
        return self.folder / "steps" / f"{name}.{kind}"

    def log(self, name: str) -> Path:
        """What the step's command said."""
        return self.folder / "logs" / f"{name}.log"

    def read(self, name: str, kind: str) -> dict[str, Any] | None:
        """A record, or None where there is none.

        Raises:
            DataError: it is damaged.
        """
        path = self.path(name, kind)
        if not path.exists():
            return None
        remedy = "delete it and run the recipe's command again, which does the step anew where that is needed"
        try:
            content = read_json(path)
        except DataError as error:
            if not path.exists():  # since it was seen
                return None
            raise DataError(f"{error}; {remedy}") from None
        fault = shape_fault(content, _SHAPES[kind])
        if fault is not None:
            raise DataError(f"{path}: {fault}; {remedy}")
        return content

    def write(self, name: str, kind: str, content: dict[str, Any]) -> None:
        """Write a record, whole or not at all."""
        path = self.path(name, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            json.dump(content, file, indent=1, sort_keys=True)

    def delete(self, name: str, *kinds: str) -> None:
        """Delete records, if they are there."""
        for kind in kinds:
            self.path(name, kind).unlink(missing_ok=True)

    def fingerprint(self, step: Step) -> str:
        """A name for all that a step's result depends on: its digest and what the steps before it made."""
        before = [self.path(name, "done").read_bytes() for name in step.needs]
        return hashlib.sha256(repr((step.digest(self.folder), before)).encode()).hexdigest()[:16]

    def finish(self, step: Step, seconds: float | None = None) -> list[str]:
        """Record that a step is done; returns the products that are missing, and then records nothing.

        Args:
            step: that has ended well.
            seconds: of work that it took, None where it was done before.
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
        """Whether all that a step would make is there, made from the same."""
        made = self.read(step.name, "made") or {}
        return made.get("from") == fingerprint and made.get("products") == self._products(step)

    def seconds(self, name: str) -> float | None:
        """Seconds of work that a step took, None where that is not known."""
        seconds: float | None = (self.read(name, "made") or {}).get("seconds")
        return seconds

    def forget_changed(self, steps: Sequence[Step]) -> list[str]:
        """Delete the records of steps whose products are no longer what the step made; returns their names."""
        forgotten = []
        for step in steps:
            record = self.read(step.name, "done")
            if self.path(step.name, "done").exists() and (record or {}).get("products") != self._products(step):
                self.delete(step.name, "done")
                forgotten.append(step.name)
        return forgotten

    def _products(self, step: Step) -> dict[str, str]:
        return {product: _state(self.folder / product) for product in step.products}


def _state(path: Path) -> str:
    """Contents of a small file as a digest, size and time of a large one."""
    if not path.is_file():
        return "folder" if path.is_dir() else "missing"
    about = path.stat()
    if about.st_size > _HASHED_BYTES:
        return f"{about.st_size} bytes of {about.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()
