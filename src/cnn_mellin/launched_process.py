"""Place of this process among those that a launcher such as torchrun has started together."""

from __future__ import annotations

import os
from dataclasses import dataclass

from cnn_mellin.errors import SettingsError

__all__ = ["LaunchedProcess", "launched_process"]

# The launcher sets all of them; fewer are a leftover of something else.
_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class LaunchedProcess:
    """Place of a process among those that were started together.

    Args:
        rank: number of the process, from 0.
        size: number of processes.
        local_rank: number of the process on its machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0


def launched_process() -> LaunchedProcess:
    """Read the place of this process from the environment; one process by itself if no launcher has set it.

    Raises:
        SettingsError: a variable is not a whole number, or the rank is not below the number of processes.

    >>> launched_process()
    LaunchedProcess(rank=0, size=1, local_rank=0)
    """
    if any(name not in os.environ for name in _VARIABLES):
        return LaunchedProcess()
    numbers = {}
    for name in _VARIABLES[:3]:
        text = os.environ[name]
        if not text.isascii() or not text.isdecimal():
            raise SettingsError(
                f"environment variable {name} is {text!r}; it must be a whole number: start several processes with "
                "torchrun, or unset it"
            )
        numbers[name] = int(text)
    if numbers["RANK"] >= numbers["WORLD_SIZE"]:
        raise SettingsError(
            f"environment variable RANK is {numbers['RANK']}; it must be below WORLD_SIZE, {numbers['WORLD_SIZE']}: "
            "start several processes with torchrun, or unset it"
        )
    return LaunchedProcess(numbers["RANK"], numbers["WORLD_SIZE"], numbers["LOCAL_RANK"])
