"""Interface to the features and references of utterances, implemented by partitions and their subsets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from cnn_mellin.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnn_mellin.data.partition_description import PartitionDescription

__all__ = ["UtteranceData", "complain_of_class", "complain_of_feature", "require_num_coefficients"]


class UtteranceData(Protocol):
    """Features and references of the utterances of a partition, or of a subset of one."""

    @property
    def path(self) -> Path:
        """Folder of the partition."""

    @property
    def description(self) -> PartitionDescription:
        """Description of the features."""

    @property
    def digest(self) -> str:
        """Digest of all ids, features and references."""

    @property
    def utterance_ids(self) -> list[str]:
        """Ids of the U utterances."""

    @property
    def num_coefficients(self) -> int:
        """Number of coefficients per frame, F."""

    @property
    def num_frames(self) -> NDArray[np.int64]:
        """Number of frames of each utterance, (U,)."""

    @property
    def reference_lengths(self) -> NDArray[np.int64]:
        """Number of symbols of each reference, (U,)."""

    @property
    def adjacent_repeats(self) -> NDArray[np.int32]:
        """Number of symbols of each reference that equal the symbol before them, (U,)."""

    @property
    def verified(self) -> bool:
        """True if the files of the partition are verified, and all its features finite."""

    def __len__(self) -> int:
        """Number of utterances, U."""

    def features_of(self, i: int) -> NDArray[np.float32]:
        """Features of utterance i, (T, F)."""

    def reference_of(self, i: int) -> NDArray[np.int64]:
        """Reference of utterance i, (R, 3): class, first frame, end frame (-1 if unknown)."""

    def magnitude_sums(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sum over the frames of each of these utterances of the absolute value of each coefficient, (N, F)."""

    def check_finite(self) -> None:
        """Raise a DataError that names the first utterance with a NaN or infinite feature."""

    def check_classes(self, num_symbols: int) -> None:
        """Raise a DataError that names the first utterance with a class outside 0..num_symbols - 1."""


def complain_of_feature(path: Path, utterance_id: str, frame: int) -> NoReturn:
    """Raise a DataError about a frame with a NaN or infinite feature."""
    raise DataError(
        f"{path}: utterance {utterance_id}, frame {frame}: a feature is NaN or infinite; mend its audio and "
        "prepare it again"
    )


def complain_of_class(path: Path, utterance_id: str, found: int, num_symbols: int) -> NoReturn:
    """Raise a DataError about a class without a symbol."""
    raise DataError(
        f"{path}: utterance {utterance_id}: class {found} is not in 0..{num_symbols - 1}, the symbols of token2id.txt"
    )


def require_num_coefficients(partition: UtteranceData, expected: int, why: str) -> None:
    """Raise a DataError if the frames of a partition have another number of coefficients.

    Args:
        partition: features to check.
        expected: number of coefficients per frame.
        why: where the expectation comes from, such as "MODEL was trained on 81".
    """
    if partition.num_coefficients != expected:
        raise DataError(f"{partition.path}: has {partition.num_coefficients} coefficients per frame, but {why}")
