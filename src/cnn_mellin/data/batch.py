"""Batches of utterances, and their order in an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.random_stream import random_stream

__all__ = ["BATCHES_IN_A_BUCKET", "Batch", "batch_indices", "load_batch", "make_batch"]

# Batches per bucket: enough for batches of nearly equal lengths, few enough to keep the order random.
BATCHES_IN_A_BUCKET = 50


@dataclass
class Batch:
    """Batch of N utterances.

    Args:
        utterance_ids: ids of the utterances.
        features: (N, T, F), padded with zeros.
        lengths: (N,), number of frames of each utterance.
        references: (R,), classes of all utterances, concatenated.
        reference_lengths: (N,), number of classes of each utterance.
    """

    utterance_ids: list[str]
    features: torch.Tensor
    lengths: torch.Tensor
    references: torch.Tensor
    reference_lengths: torch.Tensor

    def __len__(self) -> int:
        return len(self.utterance_ids)


def load_batch(
    partition: UtteranceData, indices: Sequence[int], *, first_class: int | None = None, last_class: int | None = None
) -> Batch:
    """Read utterances into a batch.

    Args:
        partition: partition to read from.
        indices: indices of the utterances, in the order of the batch.
        first_class: class to insert before every reference.
        last_class: class to append to every reference.
    """
    features = [torch.from_numpy(np.array(partition.features_of(i))) for i in indices]
    return make_batch(partition, indices, features, (first_class, last_class))


def make_batch(
    partition: UtteranceData,
    indices: Sequence[int],
    features: Sequence[torch.Tensor],
    ends: Sequence[int | None] = (None, None),
) -> Batch:
    """Make a batch of utterances whose features are there already; references are read.

    Args:
        partition: partition to read from.
        indices: indices of the utterances, in the order of the batch.
        features: features of each utterance, (T, F).
        ends: class to insert before every reference, and class to append to it.
    """
    before, after = ([] if end is None else [end] for end in ends)
    references = [np.concatenate([before, partition.reference_of(i)[:, 0], after]).astype(np.int64) for i in indices]
    return Batch(
        [partition.utterance_ids[i] for i in indices],
        torch.nn.utils.rnn.pad_sequence(list(features), batch_first=True),
        torch.tensor([len(frames) for frames in features]),
        torch.from_numpy(np.concatenate(references)),
        torch.tensor([len(reference) for reference in references]),
    )


def batch_indices(
    num_frames: NDArray[np.int64],
    batch_size: int,
    *,
    seed: int | None = None,
    epoch: int = 0,
    drop_last: bool = False,
    bucket_by_length: bool = False,
) -> list[list[int]]:
    """Indices of the utterances in each batch of an epoch.

    Args:
        num_frames: (U,), number of frames of each utterance.
        batch_size: number of utterances per batch.
        seed: seed of the random order; None keeps the order of the partition, or sorts by length with buckets.
        epoch: number of the epoch; each epoch has its own order.
        drop_last: drop the last batch if it is smaller than `batch_size`.
        bucket_by_length: put utterances of similar length into the same batch.

    >>> batch_indices(np.array([5, 9, 4, 8]), 2, bucket_by_length=True)
    [[2, 0], [3, 1]]
    """
    order = np.arange(len(num_frames))
    stream = None if seed is None else random_stream(seed, "order", epoch)
    if stream is not None:
        order = stream.permutation(order)
    if bucket_by_length:
        size = len(order) if stream is None else batch_size * BATCHES_IN_A_BUCKET
        buckets = [order[first : first + size] for first in range(0, len(order), size)]
        order = np.concatenate([bucket[np.argsort(num_frames[bucket], kind="stable")] for bucket in buckets])
    indices = order.tolist()
    batches = [indices[first : first + batch_size] for first in range(0, len(indices), batch_size)]
    if drop_last and batches and len(batches[-1]) < batch_size:
        batches.pop()
    if bucket_by_length and stream is not None:
        batches = [batches[i] for i in stream.permutation(len(batches))]
    return batches
