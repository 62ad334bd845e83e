"""Profiles: where the steps of a recipe run, and with which options they are submitted to a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.text_file import MAX_SETTINGS_BYTES, parse_yaml, read_text
from cnn_mellin.nearest import nearest
from cnn_mellin.recipe.executors.local import LocalMachine, Machine
from cnn_mellin.recipe.executors.slurm import SlurmMachine
from cnn_mellin.recipe.step import STAGES

__all__ = ["Profile", "read_profile"]

_FOLDER = Path(__file__).with_name("profiles")

# sbatch options that the recipe sets itself, as it finds its jobs, their logs and their array tasks by them.
_OURS = {"--job-name": "-J", "--output": "-o", "--error": "-e", "--input": "-i", "--array": "-a", "--chdir": "-D"}
_OURS |= {"--wait": "-W", "--wrap": "--wrap", "--test-only": "--test-only", "--open-mode": "--open-mode"}


@dataclass(frozen=True)
class Profile:
    """Place and manner in which the steps of a recipe run.

    Args:
        machine_name: local or slurm.
        jobs: number of steps that run at the same time; None for as many as the cores allow.
        threads: number of threads per step.
        poll_s: seconds between two queries of the cluster's queue.
        options: sbatch options of all jobs.
        gpu_options: further sbatch options of jobs that train or decode, unless the device is the CPU.
        stages: stage -> further sbatch options of its jobs.
        arrays: submit jobs with the same options as one array.
    """

    machine_name: str = "local"
    jobs: int | None = None
    threads: int = 1
    poll_s: float = 10.0
    options: Sequence[str] = ()
    gpu_options: Sequence[str] = ()
    stages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    arrays: bool = True

    def machine(self, folder: Path, device: str) -> Machine:
        """Make the executor of a recipe's steps.

        Args:
            folder: the recipe's folder.
            device: device on which models are trained.

        Raises:
            SettingsError: the profile needs Slurm, and `sbatch` is missing.
        """
        if self.machine_name == "local":
            return LocalMachine(self.threads)
        gpu_options = () if device == "cpu" else self.gpu_options
        return SlurmMachine(folder, self.options, gpu_options, self.stages, self.poll_s, self.arrays)

    def num_jobs(self, cores: int) -> int:
        """Number of steps that run at the same time on a machine with so many cores."""
        return self.jobs or max(cores // self.threads, 1)


def read_profile(name: str) -> Profile:
    """Read a profile.

    Args:
        name: name of a profile that ships with the package, or path of a YAML file.

    Raises:
        SettingsError: the profile does not exist, or is invalid.

    >>> read_profile("local").machine_name
    'local'
    """
    shipped = _FOLDER / f"{name}.yaml"
    path = shipped if shipped.is_file() and "/" not in name else Path(name)
    if not path.is_file():
        shipped_names = ", ".join(sorted(file.stem for file in _FOLDER.glob("*.yaml")))
        raise SettingsError(f"profile {name}: is not a file; it must be {shipped_names}, or a YAML file like these")
    content: Any = parse_yaml(read_text(path, SettingsError, max_bytes=MAX_SETTINGS_BYTES), path, SettingsError)
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: must hold names and values, such as machine: slurm")
    return _profile(path, content)


def _profile(path: Path, content: Mapping[str, Any]) -> Profile:
    kinds: dict[str, Any] = {"machine": str, "jobs": int, "threads": int, "poll_s": (int, float), "options": list}
    kinds |= {"gpu_options": list, "stages": dict, "arrays": bool}
    for name, value in content.items():
        if name not in kinds:
            raise SettingsError(f"{path}: {name} is not a setting of a profile; {nearest(str(name), kinds)}")
        if not isinstance(value, kinds[name]) or (isinstance(value, bool) and kinds[name] is not bool):
            raise SettingsError(f"{path}: {name} is {value!r}; see the profile slurm for a valid value")
        if isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value < math.inf:
            raise SettingsError(f"{path}: {name} is {value}; it must be above 0, and finite")
    machine = content.get("machine", "local")
    if machine not in ("local", "slurm"):
        raise SettingsError(f"{path}: machine is {machine!r}; it must be local or slurm")
    stages = content.get("stages", {})
    for stage, options in stages.items():
        if stage not in STAGES:
            raise SettingsError(f"{path}: stages: {stage} is not a stage; {nearest(str(stage), STAGES)}")
        if not isinstance(options, list):
            raise SettingsError(f"{path}: stages: {stage} must be a list of sbatch options")
        _check_options(path, f"stages: {stage}", options)
    for name in ("options", "gpu_options"):
        _check_options(path, name, content.get(name, ()))
    rest = {name: content[name] for name in ("jobs", "threads", "poll_s", "arrays") if name in content}
    return Profile(
        machine,
        options=tuple(map(str, content.get("options", ()))),
        gpu_options=tuple(map(str, content.get("gpu_options", ()))),
        stages={name: tuple(map(str, options)) for name, options in stages.items()},
        **rest,
    )


def _check_options(path: Path, name: str, options: Sequence[Any]) -> None:
    """Refuse sbatch options that are not text, and those that the recipe sets itself."""
    for option in options:
        if not isinstance(option, str | int | float) or isinstance(option, bool):
            raise SettingsError(
                f"{path}: {name}: {option!r} is not an sbatch option; it must be text, such as --mem=8G"
            )
        word = str(option).partition("=")[0]
        if word in _OURS or any(len(short) == 2 and word.startswith(short) for short in _OURS.values()):
            raise SettingsError(f"{path}: {name}: {option}: the recipe sets it for each job; leave it out")
