"""Subset of a partition."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.utterance_data import UtteranceData, complain_of_class, complain_of_feature
from cnn_mellin.errors import DataError
from cnn_mellin.utterance_names import name_utterances

__all__ = ["PartitionSubset", "select_utterances"]


@dataclass(frozen=True)
class PartitionSubset:
    """Some utterances of a partition, without a copy of their features; all members describe only these utterances.

    Args:
        whole: partition, or subset of one.
        rows: (U,), indices of the utterances in `whole`.
    """

    whole: UtteranceData = field(repr=False)
    rows: NDArray[np.int64]

    @property
    def path(self) -> Path:
        """Folder of the partition."""
        return self.whole.path

    @property
    def description(self) -> PartitionDescription:
        """Description of the features."""
        return self.whole.description

    @cached_property
    def utterance_ids(self) -> list[str]:
        """Ids of the U utterances."""
        return [self.whole.utterance_ids[i] for i in self.rows.tolist()]

    @cached_property
    def digest(self) -> str:
        """Digest of the digest of the whole partition and the ids of these utterances."""
        return hashlib.sha256(repr((self.whole.digest, self.utterance_ids)).encode()).hexdigest()

    @property
    def num_coefficients(self) -> int:
        """Number of coefficients per frame."""
        return self.whole.num_coefficients

    @property
    def num_frames(self) -> NDArray[np.int64]:
        """Number of frames of each utterance, (U,)."""
        return self.whole.num_frames[self.rows]

    @property
    def reference_lengths(self) -> NDArray[np.int64]:
        """Number of symbols of each reference, (U,)."""
        return self.whole.reference_lengths[self.rows]

    @property
    def adjacent_repeats(self) -> NDArray[np.int32]:
        """Number of symbols of each reference that equal the symbol before them, (U,)."""
        return self.whole.adjacent_repeats[self.rows]

    def magnitude_sums(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sum over the frames of each of these utterances of the absolute value of each coefficient, (N, F)."""
        return self.whole.magnitude_sums(self.rows[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def features_of(self, i: int) -> NDArray[np.float32]:
        """Features of utterance i of the subset, (T, F), a view of the memory map."""
        return self.whole.features_of(int(self.rows[i]))

    def reference_of(self, i: int) -> NDArray[np.int64]:
        """Reference of utterance i of the subset, (R, 3)."""
        return self.whole.reference_of(int(self.rows[i]))

    def check_finite(self) -> None:
        """Raise a DataError that names the first utterance with a NaN or infinite feature."""
        if self.verified:
            return
        for i, name in enumerate(self.utterance_ids):
            finite = np.isfinite(self.features_of(i)).all(axis=1)
            if not finite.all():
                complain_of_feature(self.path, name, int(np.argmin(finite)))

    def check_classes(self, num_symbols: int) -> None:
        """Raise a DataError that names the first utterance with a class outside 0..num_symbols - 1."""
        with contextlib.suppress(DataError):  # of an utterance that may not be in the subset
            self.whole.check_classes(num_symbols)
            return
        for i, name in enumerate(self.utterance_ids):
            classes = self.reference_of(i)[:, 0]
            wrong = classes[(classes < 0) | (classes >= num_symbols)]
            if len(wrong):
                complain_of_class(self.path, name, int(wrong[0]), num_symbols)

    @property
    def verified(self) -> bool:
        """True if the files of the partition are verified, and all its features finite."""
        return self.whole.verified


def select_utterances(partition: UtteranceData, utterance_ids: Sequence[str]) -> PartitionSubset:
    """Select utterances of a partition by id; their order is that of the partition, and features are not copied.

    Raises:
        DataError: an utterance is not in the partition.
    """
    missing = sorted(set(utterance_ids) - set(partition.utterance_ids))
    if missing:
        raise DataError(
            f"{partition.path}: [data] subset_ids names utterances that do not exist: {name_utterances(missing)}"
        )
    wanted = set(utterance_ids)
    kept = [i for i, utterance_id in enumerate(partition.utterance_ids) if utterance_id in wanted]
    return PartitionSubset(partition, np.array(kept, np.int64))
