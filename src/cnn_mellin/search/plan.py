"""What a study is: all that its workers need besides the database and the study's name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cnn_mellin.config.settings import Settings
from cnn_mellin.search.space import Dimension

__all__ = ["DEFAULT_NUM_TRIALS", "PRUNERS", "StudyPlan"]

DEFAULT_NUM_TRIALS = 128
PRUNERS = ("hyperband", "median", "none")


@dataclass(frozen=True)
class StudyPlan:
    """What `init` keeps with a study.

    Args:
        settings: section -> setting -> value, where the search starts.
        dimensions: what is searched, each after what bounds it.
        num_trials: that are to be completed or pruned.
        pruner: which ends trials early.
        train_dir: absolute path of the partition.
        train_digest: of its content.
        dev_proportion: of its utterances that decide on the results.
        num_data_workers: as given.
        mem_limit_bytes: of a training, or None.
        device: where workers compute.
        heartbeat_s: how often a worker says that it is alive.
    """

    settings: dict[str, dict[str, Any]]
    dimensions: tuple[Dimension, ...]
    num_trials: int = DEFAULT_NUM_TRIALS
    pruner: str = "hyperband"
    train_dir: str = ""
    train_digest: str = ""
    dev_proportion: float = 0.1
    num_data_workers: int = 0
    mem_limit_bytes: int | None = None
    device: str = "cpu"
    heartbeat_s: float = 30.0
    versions: dict[str, str] = field(default_factory=dict, compare=False)

    def start(self) -> Settings:
        """The settings where the search starts."""
        return Settings().updated(self.settings, "study")

    @property
    def digest(self) -> str:
        """A name for what the utterances are split by."""
        said = (self.train_digest, self.dev_proportion, self.settings.get("data", {}).get("subset_ids"))
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Values that JSON keeps."""
        return asdict(self) | {"dimensions": [dimension.as_dict() for dimension in self.dimensions]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> StudyPlan:
        """What `as_dict` gave; what it holds besides is left out.

        Raises:
            ValueError: it is not what `as_dict` gives; the text is one line.
        """
        known = {entry.name for entry in fields(cls)}
        try:
            TypeAdapter(cls).validate_python({name: value for name, value in content.items() if name in known})
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
        dimensions = tuple(map(Dimension.from_dict, content["dimensions"]))
        plan = cls(**{name: value for name, value in content.items() if name in known} | {"dimensions": dimensions})
        if plan.num_trials < 1 or plan.pruner not in PRUNERS or not 0 < plan.dev_proportion < 1:
            raise ValueError(f"{plan.num_trials} trials, pruner {plan.pruner!r}, dev proportion {plan.dev_proportion}")
        if not 0 < plan.heartbeat_s < math.inf:
            raise ValueError(f"heartbeat_s is {plan.heartbeat_s}")
        return plan

    def differences(self, other: StudyPlan) -> list[str]:
        """What another plan has otherwise, `name: theirs, not ours` each."""
        mine, theirs = _flat(self), _flat(other)
        return [
            f"{name}: {_shown(theirs.get(name))}, not {_shown(mine.get(name))}"
            for name in mine | theirs
            if mine.get(name, ...) != theirs.get(name, ...)
        ]


def _flat(plan: StudyPlan) -> dict[str, Any]:
    content = plan.as_dict()
    content.pop("versions")
    sections = content.pop("settings")
    searched = {dimension["name"]: dimension for dimension in content.pop("dimensions")}
    flat = {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    return content | flat | {f"search of {name}": value for name, value in searched.items()}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        ends = value["choices"] or [value["low"], value["high"]]
        return f"from {', '.join(map(str, ends))}"
    return "unset" if value is None else str(value)
