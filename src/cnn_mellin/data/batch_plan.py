"""The batches of an epoch, by number of utterances or by duration, as the settings of the data say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.config.data import DataConfig
from cnn_mellin.data.batch import BATCHES_IN_A_BUCKET, batch_indices
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError
from cnn_mellin.random_stream import random_stream

__all__ = ["BatchSummary", "batches_by_duration", "largest_batch", "plan_batches", "summarize_batches"]


def plan_batches(partition: UtteranceData, config: DataConfig, seed: int, epoch: int) -> list[list[int]]:
    """Indices of the utterances in each batch of an epoch, which depend on nothing else than the arguments.

    Args:
        partition: utterances to train on; only their lengths are read.
        config: settings of the data.
        seed: seed of the random order.
        epoch: number of the epoch, from 1; each epoch has its own order, and the first ones may have smaller batches.

    Raises:
        DataError: batches are limited in seconds, but the duration of a frame is unknown.
    """
    ordered = epoch <= config.shortest_first_epochs
    if config.max_batch_seconds is not None:
        max_frames = _max_frames(partition, config)
        return batches_by_duration(partition.num_frames, max_frames, None if ordered else seed, epoch)
    return batch_indices(
        partition.num_frames,
        _batch_size(config, epoch),
        seed=None if ordered else seed,
        epoch=epoch,
        drop_last=config.drop_last,
        bucket_by_length=ordered or config.bucket_by_length,
    )


def batches_by_duration(
    num_frames: NDArray[np.int64], max_frames: float, seed: int | None, epoch: int = 0
) -> list[list[int]]:
    """Group utterances of similar length into batches of at most this many frames, padding included.

    An utterance that is longer than the limit is a batch of its own, so that every utterance is trained on: it could
    not be trained on with less memory.

    Args:
        num_frames: (U,), number of frames of each utterance.
        max_frames: limit of the number of utterances times the number of frames of the longest.
        seed: seed of the random order; None orders all utterances by length.
        epoch: number of the epoch; each epoch has its own order.

    >>> sorted(map(sorted, batches_by_duration(np.array([5, 9, 4, 8, 30]), 18, seed=1)))
    [[0, 2], [1, 3], [4]]
    """
    stream = None if seed is None else random_stream(seed, "order", epoch)
    order = np.arange(len(num_frames)) if stream is None else stream.permutation(len(num_frames))
    mean = max(float(num_frames.mean()), 1.0) if len(num_frames) else 1.0
    size = len(order) if stream is None else BATCHES_IN_A_BUCKET * max(int(max_frames / mean), 1)
    batches: list[list[int]] = []
    for first in range(0, len(order), max(size, 1)):
        bucket = order[first : first + size]
        bucket = bucket[np.argsort(num_frames[bucket], kind="stable")]
        batch: list[int] = []
        for i, longest in zip(bucket.tolist(), num_frames[bucket].tolist(), strict=True):
            if batch and (len(batch) + 1) * longest > max_frames:
                batches.append(batch)
                batch = []
            batch.append(i)
        batches.append(batch)
    return batches if stream is None else [batches[i] for i in stream.permutation(len(batches))]


def largest_batch(partition: UtteranceData, config: DataConfig, num_processes: int = 1) -> tuple[int, int]:
    """Number of utterances and number of frames per utterance of the largest batch that may occur.

    Args:
        partition: utterances to train on; only their lengths are read.
        config: settings of the data.
        num_processes: number of processes that share each batch; the result is the largest share.

    Raises:
        DataError: as for `plan_batches`.
    """
    lengths = np.unique(partition.num_frames)
    if config.max_batch_seconds is None:
        return -(-min(config.batch_size, len(partition)) // num_processes), int(lengths[-1])
    fitting = np.maximum(_max_frames(partition, config) // np.maximum(lengths, 1), 1)
    counts = -(-np.minimum(fitting, len(partition)).astype(np.int64) // num_processes)
    largest = int(np.flatnonzero(counts * lengths == (counts * lengths).max())[-1])
    return int(counts[largest]), int(lengths[largest])


@dataclass(frozen=True)
class BatchSummary:
    """Size of an epoch's batches.

    Args:
        num_batches: number of batches, which is the number of updates.
        num_utterances: smallest and largest number of utterances per batch.
        padded_share: proportion of the frames of all batches that are padding.
        num_too_long: number of utterances that alone are longer than the limit.
    """

    num_batches: int
    num_utterances: tuple[int, int]
    padded_share: float
    num_too_long: int = 0

    def __str__(self) -> str:
        """The summary as a user reads it.

        >>> str(BatchSummary(120, (4, 19), 0.0312))
        '120 updates per epoch, of 4 to 19 utterances; 3.1 % of the frames are padding'
        """
        least, most = self.num_utterances
        size = f"{least} to {most}" if least < most else str(most)
        text = f"{self.num_batches} updates per epoch, of {size} utterances; "
        text += f"{100 * self.padded_share:.1f} % of the frames are padding"
        if self.num_too_long:
            text += f"; {self.num_too_long} longer than max_batch_seconds are batches of their own"
        return text


def summarize_batches(batches: Sequence[Sequence[int]], partition: UtteranceData, config: DataConfig) -> BatchSummary:
    """Summarize the batches of an epoch, of which there is at least one."""
    sizes = np.array([len(batch) for batch in batches])
    frames = partition.num_frames[np.fromiter(chain.from_iterable(batches), np.int64, int(sizes.sum()))]
    longest = np.maximum.reduceat(frames, np.cumsum(sizes) - sizes)
    padded = int((longest * sizes).sum())
    too_long = 0
    if config.max_batch_seconds is not None:
        too_long = int(np.count_nonzero(longest > _max_frames(partition, config)))
    share = 1 - int(frames.sum()) / padded if padded else 0.0
    return BatchSummary(len(batches), (int(sizes.min()), int(sizes.max())), share, too_long)


def _batch_size(config: DataConfig, epoch: int) -> int:
    """Number of utterances per batch in an epoch, from 1 on."""
    if config.first_batch_size is None:
        return config.batch_size
    doublings = min(epoch - 1, config.batch_size.bit_length())
    return min(config.first_batch_size << doublings, config.batch_size)


def _max_frames(partition: UtteranceData, config: DataConfig) -> float:
    assert config.max_batch_seconds is not None
    shift = partition.description.frame_shift_ms
    if shift is None:
        raise DataError(
            f"{partition.path}: the duration of its frames is unknown, so that [data] max_batch_seconds cannot be "
            "applied; unset it, and set batch_size"
        )
    return 1000 * config.max_batch_seconds / shift
