"""The plan of a study: all that its workers need besides the database and the study's name."""

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
    """The plan of a study, which its database holds as JSON.

    Args:
        settings: section -> setting -> value; settings at which the search starts.
        dimensions: hyperparameters, each after those that bound it.
        num_trials: number of trials to be finished (completed or pruned).
        pruner: rule that ends unpromising trials early; one of PRUNERS.
        pruner_min_epochs: number of epochs that each trial trains for before it may be pruned; None for the pruner's
            default.
        train_dir: absolute path of the partition.
        train_digest: digest of the partition's content.
        dev_proportion: proportion of the partition's utterances that trials are evaluated on.
        num_data_workers: number of threads that prepare the batches of a training.
        mem_limit_bytes: memory beyond which a training is pruned before it begins; None is no limit.
        device: device on which workers compute by default.
        heartbeat_s: interval between a worker's heartbeats, in seconds.
        versions: versions of the packages that created the study.
    """

    settings: dict[str, dict[str, Any]]
    dimensions: tuple[Dimension, ...]
    num_trials: int = DEFAULT_NUM_TRIALS
    pruner: str = "hyperband"
    pruner_min_epochs: int | None = None
    train_dir: str = ""
    train_digest: str = ""
    dev_proportion: float = 0.1
    num_data_workers: int = 0
    mem_limit_bytes: int | None = None
    device: str = "cpu"
    heartbeat_s: float = 30.0
    versions: dict[str, str] = field(default_factory=dict, compare=False)

    def start(self) -> Settings:
        """The settings at which the search starts."""
        return Settings().updated(self.settings, "study")

    @property
    def max_epochs(self) -> int | None:
        """Number of epochs of the longest trial; None if only early stopping ends trials."""
        for dimension in self.dimensions:
            if dimension.name == "training.num_epochs":
                return int(dimension.high)
        return self.settings.get("training", {}).get("num_epochs")

    @property
    def digest(self) -> str:
        """Digest of all that determines the split of the utterances."""
        inputs = (self.train_digest, self.dev_proportion, self.settings.get("data", {}).get("subset_ids"))
        return hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return asdict(self) | {"dimensions": [dimension.as_dict() for dimension in self.dimensions]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> StudyPlan:
        """The plan whose `as_dict` is given; unknown entries are ignored.

        Raises:
            ValueError: the content is not from `as_dict`; the message is one line.
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
        if plan.pruner_min_epochs is not None and plan.pruner_min_epochs < 1:
            raise ValueError(f"pruner_min_epochs is {plan.pruner_min_epochs}")
        if not 0 < plan.heartbeat_s < math.inf:
            raise ValueError(f"heartbeat_s is {plan.heartbeat_s}")
        return plan

    def differences(self, other: StudyPlan) -> list[str]:
        """Differences of another plan from this one, each as `name: theirs, not ours`."""
        mine, theirs = _flat(self), _flat(other)
        return [
            f"{name}: {_shown(theirs.get(name))}, not {_shown(mine.get(name))}"
            for name in mine | theirs
            if mine.get(name, ...) != theirs.get(name, ...)
        ]


def _flat(plan: StudyPlan) -> dict[str, Any]:
    content = plan.as_dict()
    content.pop("versions")
    content.pop("settings")
    sections = plan.start().as_dict()  # settings that an earlier version did not know have their defaults
    searched = {dimension["name"]: dimension for dimension in content.pop("dimensions")}
    for dimension in searched.values():  # studies created before these entries existed can be created again, too
        dimension.pop("live")
        dimension.pop("kernels")
    flat = {f"{section}.{name}": value for section, values in sections.items() for name, value in values.items()}
    return content | flat | {f"search of {name}": value for name, value in searched.items()}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        ends = value["choices"] or [value["low"], value["high"]]
        return f"from {', '.join(map(str, ends))}"
    return "unset" if value is None else str(value)
