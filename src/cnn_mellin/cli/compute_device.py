"""The device and threads that the command line asks for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cnn_mellin.errors import SettingsError

if TYPE_CHECKING:
    import torch

__all__ = ["compute_device"]


def compute_device(arguments: argparse.Namespace, default: str = "cpu") -> torch.device:
    """The device of `--device`, after setting the threads of `--num-threads`.

    Args:
        arguments: of the command line.
        default: where `--device` is not given.

    Raises:
        SettingsError: there is no such device here, or the number of threads is below 1.
    """
    import torch

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
