"""Device and number of threads that the command line asks for."""

from __future__ import annotations

import argparse

import torch

from cnn_mellin.errors import SettingsError

__all__ = ["compute_device"]


def compute_device(arguments: argparse.Namespace, default: str = "cpu") -> torch.device:
    """Set the number of threads of `--num-threads`, and return the device of `--device`.

    Args:
        arguments: arguments of the command line.
        default: device without `--device`.

    Raises:
        SettingsError: the device cannot be used on this machine, or the number of threads is below 1.
    """
    name = arguments.device or default
    if arguments.num_threads is not None:
        if arguments.num_threads < 1:
            raise SettingsError(f"--num-threads {arguments.num_threads}: must be at least 1")
        torch.set_num_threads(arguments.num_threads)
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SettingsError(f"--device {name}: cannot be used here ({reason}); try --device cpu") from None
    return device
