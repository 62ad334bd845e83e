"""The random stream that dropout draws from, which is torch's global one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

__all__ = ["dropout_stream"]


@contextmanager
def dropout_stream(
    device: torch.device, seed: int, state: Sequence[torch.Tensor] | None = None
) -> Iterator[Callable[[], list[torch.Tensor]]]:
    """Seed torch's global random streams, or restore their state, within a block; afterwards they are as before.

    Args:
        device: device that dropout runs on.
        seed: seed of the streams.
        state: state that an earlier block's function returned, to resume from; one of the CPU serves other devices.

    Yields:
        Function that returns the current state: of the CPU, then of the device if it is another.

    >>> with dropout_stream(torch.device("cpu"), 1) as state:
    ...     first, middle, second = torch.rand(1), state(), torch.rand(1)
    >>> with dropout_stream(torch.device("cpu"), 1, middle):
    ...     bool(torch.rand(1) == second)
    True
    """
    cuda = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        if state is not None:
            torch.set_rng_state(state[0])
            of_device = state[1:]  # empty after a block on the CPU: another device goes on from the seed
            if of_device and device.type == "cuda":
                torch.cuda.set_rng_state(of_device[0], cuda[0])
            elif of_device and device.type == "mps":
                torch.mps.set_rng_state(of_device[0])

        def current() -> list[torch.Tensor]:
            states = [torch.get_rng_state()]
            if device.type == "cuda":
                states.append(torch.cuda.get_rng_state(cuda[0]))
            elif device.type == "mps":
                states.append(torch.mps.get_rng_state())
            return states

        yield current
