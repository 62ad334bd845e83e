"""Experiment trackers: programs that record the course of trainings, and compare them in a browser."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.text_file import read_json
from cnn_mellin.training.history import EpochRecord

__all__ = ["Tracker"]

_log = logging.getLogger(__name__)

_PROJECT = "cnn-mellin"
# trackio measures the use of processor and GPU itself, every ten seconds, unless told not to.
_QUIET = {"auto_log_cpu": False, "auto_log_gpu": False}
# Files of a finished training that are handed to the tracker.
_ARTIFACTS = ("model.json", "settings.ini", "history.csv", "curves.png")


class _Run(Protocol):
    """One training in a tracker."""

    def add(self, values: Mapping[str, float], epoch: int) -> None:
        """Record values after an epoch."""

    def finish(self, values: Mapping[str, float], files: list[Path]) -> None:
        """Record the result and files of the training."""


class Tracker:
    """Records settings, epochs and the result of a training with another program, if one is chosen.

    A tracker never stops a training: its first failure is logged as a warning, and nothing more is recorded.

    Args:
        name: program to record with: trackio, wandb (Weights & Biases), mlflow, or none. It finds its own settings,
            such as where to store and the account, in its environment variables.
        model_dir: folder of the training. Its `tracker.json` holds the run's id, so that a resumed training is
            recorded as the same run.
        settings: settings of the training, section -> setting -> value.

    Raises:
        MissingPackageError: the program is not installed (the extra of its name).

    >>> Tracker("none", "model", {}).add(EpochRecord(1, 0.1, 2.0, 30.0, 0, 0, 10.0, 1.0))
    """

    def __init__(self, name: str, model_dir: str | Path, settings: Mapping[str, Mapping[str, Any]]) -> None:
        self._name, self._folder = name, Path(model_dir)
        self._run: _Run | None = None
        if name == "none":
            return
        require_packages(f"[training] tracker = {name}", [name])
        flat = {f"{section}.{key}": value for section, values in settings.items() for key, value in values.items()}
        title = "/".join(self._folder.resolve().parts[-2:])
        self._patiently(lambda: self._start(title, flat))

    def add(self, record: EpochRecord) -> None:
        """Record an epoch."""
        run = self._run
        if run is not None:
            values = {key: float(value) for key, value in asdict(record).items() if key != "epoch"}
            self._patiently(lambda: run.add(_known(values), record.epoch))

    def finish(self, best_epoch: int, best_dev_per_percent: float) -> None:
        """Record the best epoch, its phone error rate, and files of the model folder, and end the run.

        Args:
            best_epoch: number of the best epoch.
            best_dev_per_percent: its phone error rate on dev; NaN without a dev partition.
        """
        run, self._run = self._run, None
        if run is not None:
            values = _known({"best_epoch": float(best_epoch), "best_dev_per_percent": best_dev_per_percent})
            files = [path for name in _ARTIFACTS if (path := self._folder / name).is_file()]
            self._patiently(lambda: run.finish(values, files))

    def _start(self, title: str, settings: Mapping[str, Any]) -> None:
        path = self._folder / "tracker.json"
        known = {}
        if path.exists():
            known = read_json(path, expected="the run of a tracker")
        known_id = known.get("id") if known.get("tracker") == self._name else None
        start = _start_mlflow if self._name == "mlflow" else _start_wandb
        self._run, run_id = start(self._name, title, settings, known_id)
        if run_id != known_id:
            with atomic_file(path) as file:
                json.dump({"tracker": self._name, "id": run_id}, file)

    def _patiently(self, call: Callable[[], None]) -> None:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # standard output is for results
                call()
        except DataError:
            raise
        except Exception as error:  # whatever another program raises must not stop a training
            self._run = None
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            _log.warning("%s: %s failed (%s); the training continues without it", self._folder, self._name, reason)


def _known(values: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if not math.isnan(value)}


class _WandbRun:
    """A run of Weights & Biases, or of trackio, which has the same interface."""

    def __init__(self, module: Any, run: Any) -> None:
        self._module, self._run = module, run

    def add(self, values: Mapping[str, float], epoch: int) -> None:
        self._run.log(dict(values), step=epoch)

    def finish(self, values: Mapping[str, float], files: list[Path]) -> None:
        self._run.log(dict(values))
        for path in files:
            if hasattr(self._run, "save"):
                self._run.save(str(path), base_path=str(path.parent), policy="now")
        self._module.finish()


def _start_wandb(name: str, title: str, settings: Mapping[str, Any], run_id: str | None) -> tuple[_Run, str]:
    module = importlib.import_module(name)
    project = os.environ.get("WANDB_PROJECT", _PROJECT)
    if name == "trackio":  # which knows a run by its name
        unique = run_id or f"{title.replace('/', '-')}-{os.urandom(3).hex()}"
        run = module.init(project=project, name=unique, config=dict(settings), resume="allow", embed=False, **_QUIET)
        return _WandbRun(module, run), unique
    run = module.init(project=project, name=title, id=run_id, config=dict(settings), resume="allow")
    return _WandbRun(module, run), str(run.id)


class _MlflowRun:
    """A run of MLflow."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._id = client, run_id

    def add(self, values: Mapping[str, float], epoch: int) -> None:
        for key, value in values.items():
            self._client.log_metric(self._id, key, value, step=epoch)

    def finish(self, values: Mapping[str, float], files: list[Path]) -> None:
        for key, value in values.items():
            self._client.log_metric(self._id, key, value)
        for path in files:
            self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id)


def _start_mlflow(_name: str, title: str, settings: Mapping[str, Any], run_id: str | None) -> tuple[_Run, str]:
    client = importlib.import_module("mlflow").MlflowClient()
    if run_id is None:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        found = client.get_experiment_by_name(name)
        experiment = client.create_experiment(name) if found is None else found.experiment_id
        run_id = str(client.create_run(experiment, run_name=title).info.run_id)
        for key, value in settings.items():
            client.log_param(run_id, key, value)
    else:
        client.update_run(run_id, "RUNNING")
    return _MlflowRun(client, run_id), run_id
