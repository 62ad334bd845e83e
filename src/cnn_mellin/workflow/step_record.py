"""What is known of the steps of a recipe: files in its folder `steps`, one or a few a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.workflow.recipe_step import Step

__all__ = ["GO_ON_STATUS", "StepRecords"]

GO_ON_STATUS = 75
"""How a command ends that was told to stop, and has saved what it needs to go on."""

# Larger files are known by size and time of change.
_HASHED_BYTES = 1_000_000


@dataclass(frozen=True)
class StepRecords:
    """The records of a recipe.

    Files are `NAME.done` (what the step made: all that steps after it look at), `NAME.made` (that, and from what),
    `NAME.begun` (what it was begun from), `NAME.job` (where it runs), `NAME.exit` (how its process ended) and
    `NAME.failed`.

    Args:
        folder: of the recipe.
    """

    folder: Path

    def path(self, name: str, kind: str) -> Path:
        """The file of a kind: done, made, begun, job, exit or failed."""
        return self.folder / "steps" / f"{name}.{kind}"

    def log(self, name: str) -> Path:
        """What the step's command said."""
        return self.folder / "logs" / f"{name}.log"

    def read(self, name: str, kind: str) -> dict[str, Any] | None:
        """A record, or None where there is none."""
        try:
            content: dict[str, Any] = json.loads(self.path(name, kind).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
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

    def finish(self, step: Step) -> list[str]:
        """Record that a step is done; returns the products that are missing, and then records nothing."""
        missing = [product for product in step.products if not (self.folder / product).exists()]
        if not missing:
            made = {"from": self.fingerprint(step), "products": self._products(step)}
            self.write(step.name, "made", made)
            self.write(step.name, "done", {"products": made["products"]})
        return missing

    def made_already(self, step: Step, fingerprint: str) -> bool:
        """Whether all that a step would make is there, made from the same."""
        return self.read(step.name, "made") == {"from": fingerprint, "products": self._products(step)}

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
