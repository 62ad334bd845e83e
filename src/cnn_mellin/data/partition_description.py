"""Description of a partition, the content of its `partition.json`, and constants of all its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = [
    "AUDIO",
    "LOGITS",
    "PARTITION_FILES",
    "PARTITION_FORMAT",
    "PartitionDescription",
    "description_checksum",
    "features_dtype",
]

PARTITION_FORMAT = 3
LOGITS = "logits"  # feature type of partitions that hold logits
AUDIO = "audio"  # feature type of partitions that hold samples as int16
PARTITION_FILES = ("partition.json", "index.npz", "features.npy")


@dataclass(frozen=True)
class PartitionDescription:
    """Content of `partition.json`.

    Args:
        num_coefficients: number of coefficients per frame.
        frame_shift_ms: milliseconds between frames; None if unknown.
        feature_type: name of the feature configuration.
        source: origin of the features (configuration, digest of the corpus), by which changes are recognised.
    """

    num_coefficients: int
    frame_shift_ms: float | None = None
    feature_type: str = ""
    source: dict[str, Any] = field(default_factory=dict)


def features_dtype(description: PartitionDescription) -> np.dtype[Any]:
    """Type of the numbers in `features.npy`."""
    return np.dtype("<i2" if description.feature_type == AUDIO else "<f4")


def description_checksum(content: dict[str, Any]) -> str:
    """Checksum of the rest of `partition.json`."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
