"""Summary statistics of a partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.data.speed_copies import original_of_speed_copies
from cnn_mellin.data.tensor_files import open_partition

__all__ = ["PartitionSummary", "summarise_partition"]


@dataclass(frozen=True)
class PartitionSummary:
    """Summary statistics of a partition.

    Args:
        path: folder of the partition.
        num_utterances: number of utterances.
        hours: duration of the audio in hours; None if the frame shift is unknown.
        num_frames: number of frames of all utterances.
        frame_lengths: minimum, median and maximum number of frames per utterance.
        num_symbols: number of symbols in all references.
        symbol_lengths: minimum, median and maximum number of symbols per utterance.
        num_classes: number of distinct symbols in the references.
        feature_type: name of the feature configuration; empty if unknown.
        num_coefficients: number of coefficients per frame.
        frame_shift_ms: milliseconds between frames; None if unknown.
        size_bytes: size on disk.
        digest: digest of ids, features and references.
        num_speed_copies: number of the utterances that are copies of others at other speeds.
        left_out: id of each utterance that was left out as damaged -> fault.
        sample_rates_hz: sample rate in Hz -> number of recordings that had it before resampling; empty if no conversion
            was allowed.
        conversion: changes to recordings that were allowed: `resample` with its package, `mix_down`, `channel`.
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
    num_speed_copies: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    sample_rates_hz: dict[int, int] = field(default_factory=dict)
    conversion: dict[str, Any] = field(default_factory=dict)

    @property
    def speed_copies(self) -> str:
        """Clause that says how many utterances are copies at other speeds; empty if none is."""
        if not self.num_speed_copies:
            return ""
        return f"{self.num_speed_copies} of {self.num_utterances} utterances are copies at other speeds"


def summarise_partition(path: str | Path) -> PartitionSummary:
    """Summarise a partition, packed or as tensor files.

    Raises:
        DataError: the folder is not a partition, or is damaged.
    """
    partition = open_partition(path, verify="never")  # the summary does not depend on feature values
    description = partition.description
    num_frames, shift = int(partition.frame_offsets[-1]), description.frame_shift_ms
    return PartitionSummary(
        path=str(path),
        num_utterances=len(partition),
        hours=None if shift is None else num_frames * shift / 3_600_000,
        num_frames=num_frames,
        frame_lengths=_range(partition.num_frames),
        num_symbols=len(partition.references),
        symbol_lengths=_range(np.diff(partition.reference_offsets)),
        num_classes=len(np.unique(partition.references[:, 0])),
        feature_type=description.feature_type,
        num_coefficients=partition.num_coefficients,
        frame_shift_ms=shift,
        size_bytes=sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file()),
        digest=partition.digest,
        num_speed_copies=len(original_of_speed_copies(partition)),
        left_out=dict(description.source.get("left_out", {})),
        sample_rates_hz=dict(sorted((int(hz), n) for hz, n in description.source.get("sample_rates_hz", {}).items())),
        conversion=dict(description.source.get("conversion", {})),
    )


def _range(lengths: NDArray[np.int64]) -> tuple[int, float, int]:
    if not len(lengths):
        return 0, 0.0, 0
    return int(lengths.min()), float(np.median(lengths)), int(lengths.max())
