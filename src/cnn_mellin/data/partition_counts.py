"""Counts of a partition, for summaries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.data.mapped_member import map_member
from cnn_mellin.data.resident_pages import ResidentPages

__all__ = ["PartitionCounts", "count_partition"]

_ROWS_AT_ONCE = 1 << 16  # of references


@dataclass(frozen=True)
class PartitionCounts:
    """Counts of a partition.

    Args:
        num_utterances, num_frames: number of utterances and frames.
        num_coefficients: number of coefficients per frame.
        of_class: (classes,), number of times that each class occurs in the references.
    """

    num_utterances: int
    num_frames: int
    num_coefficients: int
    of_class: NDArray[np.int64]


def count_partition(path: str | Path) -> PartitionCounts:
    """Count a valid packed partition, or one of audio, in memory that does not grow with the number of symbols."""
    path = Path(path)
    shards = sorted(path.glob("shard-*"))
    if shards:
        counts = [count_partition(shard) for shard in shards]
        of_class = np.zeros(max(len(shard.of_class) for shard in counts), np.int64)
        for shard in counts:
            of_class[: len(shard.of_class)] += shard.of_class
        utterances, frames = (
            sum(values) for values in zip(*((c.num_utterances, c.num_frames) for c in counts), strict=True)
        )
        return PartitionCounts(utterances, frames, counts[0].num_coefficients, of_class)
    features = np.load(path / "features.npy", mmap_mode="r", allow_pickle=False)
    of_class = np.zeros(0, np.int64)
    with np.load(path / "index.npz", allow_pickle=False) as index:
        num_utterances = len(index["frame_offsets"]) - 1
    references = map_member(path / "index.npz", "references")
    resident = ResidentPages(references)
    for first in range(0, len(references), _ROWS_AT_ONCE):
        rows = references[first : first + _ROWS_AT_ONCE]
        resident.touch(rows.nbytes)
        found = np.bincount(rows[:, 0], minlength=len(of_class))
        found[: len(of_class)] += of_class
        of_class = found
    num_frames, num_coefficients = features.shape
    return PartitionCounts(num_utterances, num_frames, num_coefficients, of_class)
