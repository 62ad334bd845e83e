"""The machine that trained a model, and when: for reports, without any influence on results."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from cnn_mellin.atomic import atomic_file
from cnn_mellin.errors import DataError
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import read_json

__all__ = ["TrainingMachine", "read_machine", "write_machine"]

_FILE = "machine.json"
_SHAPE = {"finished": str, "device": str, "processor": str, "system": str}


@dataclass(frozen=True)
class TrainingMachine:
    """Content of `machine.json`.

    Args:
        finished: time at which the last epoch ended, in UTC, as in 2026-01-31T12:00:00+00:00.
        device: name of the accelerator, or cpu.
        processor: name of the processor.
        system: operating system and architecture.
    """

    finished: str
    device: str
    processor: str
    system: str


def write_machine(model_dir: str | Path, device: torch.device) -> None:
    """Write `machine.json` of a training whose epoch ends now on this machine.

    Args:
        model_dir: model folder.
        device: device of the training.
    """
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    machine = TrainingMachine(finished, named, _processor(), f"{platform.system()} {platform.machine()}")
    with atomic_file(Path(model_dir) / _FILE) as file:
        json.dump(asdict(machine), file, indent=1)


def read_machine(model_dir: str | Path) -> TrainingMachine | None:
    """Read `machine.json`, None where it does not exist, as in model folders of earlier versions.

    Raises:
        DataError: the file is damaged.
    """
    path = Path(model_dir) / _FILE
    if not path.exists():
        return None
    content = read_json(path)
    fault = shape_fault(content, _SHAPE)
    if fault is not None:
        raise DataError(f"{path}: {fault}; restore it, or delete it: no result depends on it")
    return TrainingMachine(**{name: content[name] for name in _SHAPE})


def _processor() -> str:
    """Name of the processor; on Linux as the kernel gives it, as Python's own is often empty there."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()
