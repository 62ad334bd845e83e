"""Device and number of threads that the command line asks for."""

from __future__ import annotations

import argparse

import torch

from cnn_mellin.compute_device import usable_device
from cnn_mellin.errors import SettingsError
from cnn_mellin.training.process_group import ProcessGroup

__all__ = ["compute_device", "set_num_threads"]


def compute_device(arguments: argparse.Namespace, group: ProcessGroup | None = None) -> torch.device:
    """Set the number of threads of `--num-threads`, and return the device of `--device`, by default the CPU.

    Args:
        arguments: arguments of the command line.
        group: processes that train together; with `--device cuda`, each takes a GPU of its own.

    Raises:
        SettingsError: the device cannot be used on this machine, or the number of threads is below 1.
    """
    set_num_threads(arguments)
    device = arguments.device or "cpu"
    return usable_device(device if group is None else group.own_device(device))


def set_num_threads(arguments: argparse.Namespace) -> None:
    """Set the number of threads of `--num-threads`; without it, torch chooses.

    Raises:
        SettingsError: the number of threads is below 1.
    """
    if arguments.num_threads is not None:
        if arguments.num_threads < 1:
            raise SettingsError(f"--num-threads {arguments.num_threads}: must be at least 1")
        torch.set_num_threads(arguments.num_threads)
