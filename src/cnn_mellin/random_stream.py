"""Independent streams of random numbers, each determined by a seed and names."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["random_stream", "stream_seed"]


def stream_seed(seed: int, *names: int | str) -> int:
    """Seed in 0..2^63 - 1 that depends only on `seed` and the names.

    >>> stream_seed(1, "order", 3) == stream_seed(1, "order", 3) != stream_seed(1, "order", 4)
    True
    """
    digest = hashlib.sha256(repr((int(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def random_stream(seed: int, *names: int | str) -> np.random.Generator:
    """Make the generator for one purpose, such as the augmentation of one utterance in one epoch.

    The numbers of a stream depend neither on other streams nor on the order in which streams are used, so they do not
    change with batches, workers or resuming.

    >>> float(random_stream(1, 3, "fcjf0-si1027").random()) == float(random_stream(1, 3, "fcjf0-si1027").random())
    True
    """
    return np.random.Generator(np.random.SFC64(stream_seed(seed, *names)))
