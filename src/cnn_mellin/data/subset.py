"""Some utterances of a partition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.data.partition import Partition
from cnn_mellin.errors import DataError
from cnn_mellin.utterance_names import name_utterances

__all__ = ["PartitionSubset", "select_utterances"]


@dataclass(frozen=True)
class PartitionSubset(Partition):
    """Some utterances of a partition, whose features stay where they are.

    `utterance_ids`, `len`, `num_frames`, `features_of` and `reference_of` are of the subset; `features`, `references`
    and their offsets are of the whole partition.

    Args:
        rows: (U,), which utterances of the partition.
    """

    rows: NDArray[np.int64]

    @property
    def num_frames(self) -> NDArray[np.int64]:
        """Frames of each utterance, (U,)."""
        return np.diff(self.frame_offsets)[self.rows]

    def features_of(self, i: int) -> NDArray[np.float32]:
        """Features of utterance i of the subset, (T, F), a view of the memory map."""
        return super().features_of(int(self.rows[i]))

    def reference_of(self, i: int) -> NDArray[np.int64]:
        """Reference of utterance i of the subset, (R, 3)."""
        return super().reference_of(int(self.rows[i]))

    def check_finite(self) -> None:
        """Raise a DataError that names the first utterance with a NaN or infinite feature."""
        for i, name in enumerate(self.utterance_ids):
            if not np.isfinite(self.features_of(i)).all():
                self._complain_of_features(name, int(np.argmin(np.isfinite(self.features_of(i)).all(axis=1))))

    def check_classes(self, num_symbols: int) -> None:
        """Raise a DataError that names the first utterance with a class outside 0..num_symbols - 1."""
        for i, name in enumerate(self.utterance_ids):
            classes = self.reference_of(i)[:, 0]
            wrong = classes[(classes < 0) | (classes >= num_symbols)]
            if len(wrong):
                self._complain_of_class(name, int(wrong[0]), num_symbols)


def select_utterances(partition: Partition, utterance_ids: Sequence[str]) -> Partition:
    """The partition of these utterances alone, in their old order; features are not copied.

    Raises:
        DataError: an utterance is not in the partition.
    """
    missing = sorted(set(utterance_ids) - set(partition.utterance_ids))
    if missing:
        raise DataError(f"{partition.path}: [data] subset_ids names what is not there: {name_utterances(missing)}")
    wanted = set(utterance_ids)
    kept = [i for i, utterance_id in enumerate(partition.utterance_ids) if utterance_id in wanted]
    names = [partition.utterance_ids[i] for i in kept]
    rows = np.array(kept, np.int64)
    if isinstance(partition, PartitionSubset):
        rows = partition.rows[rows]
    content = {field.name: getattr(partition, field.name) for field in fields(Partition)}
    content["digest"] = hashlib.sha256(repr((partition.digest, names)).encode()).hexdigest()
    content["utterance_ids"] = names
    return PartitionSubset(**content, rows=rows)
