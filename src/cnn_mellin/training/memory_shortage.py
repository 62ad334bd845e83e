"""The error of a training that runs out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cnn_mellin.errors import UserError

__all__ = ["TrainingMemoryError", "naming_memory_shortage"]

# Messages of torch's CPU allocators, which raise a plain RuntimeError.
_CPU_MESSAGES = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


class TrainingMemoryError(UserError):
    """A training ran out of memory."""


@contextmanager
def naming_memory_shortage(place: str) -> Iterator[None]:
    """Turn an out-of-memory error within the block into a TrainingMemoryError that begins with `place`.

    >>> with naming_memory_shortage("exp/m: epoch 1"):
    ...     raise MemoryError
    Traceback (most recent call last):
    cnn_mellin.training.memory_shortage.TrainingMemoryError: exp/m: epoch 1: out of memory; ...
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and not any(message in text for message in _CPU_MESSAGES):
            raise
        reason = f" ({text.strip().splitlines()[0][:160]})" if text.strip() else ""
        raise TrainingMemoryError(
            f"{place}: out of memory{reason}; lower [data] batch_size or max_batch_seconds, or train a smaller model "
            "in another folder; the last checkpoint is unchanged"
        ) from None
