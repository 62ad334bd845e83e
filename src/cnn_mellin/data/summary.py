"""What a data directory holds, in figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.data.tensor_files import open_partition

__all__ = ["PartitionSummary", "summarise_partition"]


@dataclass(frozen=True)
class PartitionSummary:
    """Figures of a partition.

    Args:
        path: the folder.
        num_utterances: in it.
        hours: of audio; None where the frame shift is not known.
        num_frames: of all utterances.
        frame_lengths: least, median and most frames of an utterance.
        num_symbols: of all references.
        symbol_lengths: least, median and most symbols of an utterance.
        num_classes: different symbols in the references.
        feature_type: name of the feature configuration, empty where nobody said.
        num_coefficients: of a frame.
        frame_shift_ms: from a frame to the next; None where nobody said.
        size_bytes: on disk.
        digest: fingerprint of ids, features and references.
    """

    path: str
    num_utterances: int
    hours: float | None
    num_frames: int
    frame_lengths: tuple[int, float, int]
    num_symbols: int
    symbol_lengths: tuple[int, float, int]
    num_classes: int
    feature_type: str
    num_coefficients: int
    frame_shift_ms: float | None
    size_bytes: int
    digest: str


def summarise_partition(path: str | Path) -> PartitionSummary:
    """Figures of a partition in either form.

    Raises:
        DataError: it is no partition, or is damaged.
    """
    partition = open_partition(path, verify="never")  # features are not among the figures
    description = partition.description
    num_frames, shift = int(partition.frame_offsets[-1]), description.frame_shift_ms
    return PartitionSummary(
        path=str(path),
        num_utterances=len(partition),
        hours=None if shift is None else num_frames * shift / 3_600_000,
        num_frames=num_frames,
        frame_lengths=_spread(partition.num_frames),
        num_symbols=len(partition.references),
        symbol_lengths=_spread(np.diff(partition.reference_offsets)),
        num_classes=len(np.unique(partition.references[:, 0])),
        feature_type=description.feature_type,
        num_coefficients=partition.num_coefficients,
        frame_shift_ms=shift,
        size_bytes=sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file()),
        digest=partition.digest,
    )


def _spread(lengths: NDArray[np.int64]) -> tuple[int, float, int]:
    if not len(lengths):
        return 0, 0.0, 0
    return int(lengths.min()), float(np.median(lengths)), int(lengths.max())
