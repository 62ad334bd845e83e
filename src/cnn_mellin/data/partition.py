"""A partition: the packed features and references of some utterances.

A partition is a folder of three files:

- `features.npy`: float32 (frames, coefficients), all utterances end to end; memory-mapped: processes share it;
- `index.npz`: `utterance_ids`, `frame_offsets` (U + 1), `references` (R, 3) of class, first frame, end frame, and
  `reference_offsets` (U + 1); utterance i has rows `offsets[i]` to `offsets[i + 1]` of either;
- `partition.json`: coefficients, frame shift, where the features come from, and a digest of all the rest.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_mellin.atomic import atomic_directory
from cnn_mellin.errors import DataError

__all__ = [
    "Partition",
    "PartitionDescription",
    "PartitionWriter",
    "content_digest",
    "read_partition",
    "write_partition",
]

FORMAT = 1
_FRAMES_AT_ONCE = 1 << 16
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class PartitionDescription:
    """What `partition.json` holds.

    Args:
        num_coefficients: columns of the features.
        frame_shift_ms: from a frame to the next; None where nobody said.
        feature_type: name of the feature configuration.
        source: what the features were computed from (configuration, corpus), for fingerprints.
    """

    num_coefficients: int
    frame_shift_ms: float | None = None
    feature_type: str = ""
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Partition:
    """Features and references of a partition.

    Args:
        path: the folder.
        description: what the features are.
        digest: fingerprint of all ids, features and references.
        utterance_ids: U names.
        features: (frames, coefficients), all utterances end to end.
        frame_offsets: (U + 1,), rows of `features` at which each utterance begins, and the end.
        references: (R, 3) of class, first frame, end frame (or -1 where not known), all utterances end to end.
        reference_offsets: (U + 1,), rows of `references`.
    """

    path: Path
    description: PartitionDescription
    digest: str
    utterance_ids: list[str]
    features: NDArray[np.float32]
    frame_offsets: NDArray[np.int64]
    references: NDArray[np.int64]
    reference_offsets: NDArray[np.int64]

    @property
    def num_coefficients(self) -> int:
        """Coefficients of a frame."""
        return self.description.num_coefficients

    @property
    def num_frames(self) -> NDArray[np.int64]:
        """Frames of each utterance, (U,)."""
        return np.diff(self.frame_offsets)

    def __len__(self) -> int:
        return len(self.utterance_ids)

    def features_of(self, i: int) -> NDArray[np.float32]:
        """Features of utterance i, (T, F), a view of the memory map."""
        return self.features[self.frame_offsets[i] : self.frame_offsets[i + 1]]

    def reference_of(self, i: int) -> NDArray[np.int64]:
        """Reference of utterance i, (R, 3): class, first frame, end frame (or -1 where not known)."""
        return self.references[self.reference_offsets[i] : self.reference_offsets[i + 1]]

    def check_finite(self) -> None:
        """Raise a DataError that names the first utterance with a NaN or infinite feature."""
        for first in range(0, len(self.features), _FRAMES_AT_ONCE):
            finite = np.isfinite(self.features[first : first + _FRAMES_AT_ONCE]).all(axis=1)
            if not finite.all():
                frame = first + int(np.argmin(finite))
                i = int(np.searchsorted(self.frame_offsets, frame, side="right")) - 1
                self._complain_of_features(self.utterance_ids[i], int(frame - self.frame_offsets[i]))

    def check_classes(self, num_symbols: int) -> None:
        """Raise a DataError that names the first utterance with a class outside 0..num_symbols - 1."""
        wrong = (self.references[:, 0] < 0) | (self.references[:, 0] >= num_symbols)
        if wrong.any():
            row = int(np.argmax(wrong))
            i = int(np.searchsorted(self.reference_offsets, row, side="right")) - 1
            self._complain_of_class(self.utterance_ids[i], int(self.references[row, 0]), num_symbols)

    def _complain_of_features(self, utterance_id: str, frame: int) -> NoReturn:
        raise DataError(
            f"{self.path}: utterance {utterance_id}, frame {frame}: a feature is NaN or infinite; mend its audio and "
            "prepare it again"
        )

    def _complain_of_class(self, utterance_id: str, found: int, num_symbols: int) -> NoReturn:
        raise DataError(
            f"{self.path}: utterance {utterance_id}: class {found} is not in 0..{num_symbols - 1}, the symbols of "
            "token2id.txt"
        )


def read_partition(path: str | Path) -> Partition:
    """A packed partition, its features memory-mapped.

    Raises:
        DataError: a file is missing, damaged, or disagrees with another.
    """
    path = Path(path)
    try:
        content = json.loads((path / "partition.json").read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise DataError(f"{path}: is of another format than {FORMAT}; prepare it again")
        digest = content.pop("digest")
        with open(path / "index.npz", "rb") as file, np.load(file, allow_pickle=False) as index:
            arrays = {name: index[name] for name in ("frame_offsets", "references", "reference_offsets")}
            utterance_ids = index["utterance_ids"].tolist()
        features = np.load(path / "features.npy", mmap_mode="r", allow_pickle=False)
        partition = Partition(path, PartitionDescription(**content), digest, utterance_ids, features, **arrays)
    except (FileNotFoundError, NotADirectoryError) as error:
        missing = "it is a file" if path.is_file() else "there is no such folder"
        if path.is_dir():
            missing = f"{Path(error.filename).name} is missing"
        expected = "name the folder of a partition, such as data/fbank-81-10ms/train"
        raise DataError(f"{path}: is no data directory ({missing}); {expected}") from None
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is damaged ({error}); prepare it again") from None
    _check_shapes(partition)
    return partition


@dataclass(frozen=True)
class PartitionCounts:
    """How much of what a partition holds.

    Args:
        num_utterances, num_frames, num_coefficients: in it, and of a frame.
        of_class: (classes,), how often each is in the references.
    """

    num_utterances: int
    num_frames: int
    num_coefficients: int
    of_class: NDArray[np.int64]


def count_partition(path: str | Path) -> PartitionCounts:
    """Count a packed partition that is whole, in memory that does not grow with its references."""
    path = Path(path)
    features = np.load(path / "features.npy", mmap_mode="r", allow_pickle=False)
    of_class = np.zeros(0, np.int64)
    with np.load(path / "index.npz", allow_pickle=False) as index:
        num_utterances = len(index["frame_offsets"]) - 1
    with zipfile.ZipFile(path / "index.npz") as archive, archive.open("references.npy") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        while rows := file.read(_ROWS_AT_ONCE * 3 * 8):
            found = np.bincount(np.frombuffer(rows, "<i8")[::3], minlength=len(of_class))
            found[: len(of_class)] += of_class
            of_class = found
    num_frames, num_coefficients = features.shape
    return PartitionCounts(num_utterances, num_frames, num_coefficients, of_class)


def _check_shapes(partition: Partition) -> None:
    path, count = partition.path, len(partition)
    if not len(partition.frame_offsets) == len(partition.reference_offsets) == count + 1:
        raise DataError(f"{path}: index.npz has {count} utterances but other offsets; prepare it again")
    expected = (int(partition.frame_offsets[-1]), partition.num_coefficients)
    if partition.features.shape != expected or partition.features.dtype != np.float32:
        found = f"{partition.features.dtype} {partition.features.shape}"
        raise DataError(f"{path}: features.npy holds {found}, the index says float32 {expected}; prepare it again")
    if partition.references.shape != (int(partition.reference_offsets[-1]), 3):
        raise DataError(f"{path}: index.npz holds references of shape {partition.references.shape}; prepare it again")


def content_digest(partition: Partition) -> str:
    """The digest of what a packed partition holds now: that of `partition.json`, unless a file has changed since."""
    digest = _new_digest(partition.num_coefficients)
    for i, utterance_id in enumerate(partition.utterance_ids):
        _update_digest(digest, utterance_id, partition.features_of(i), partition.reference_of(i))
    return digest.hexdigest()


def _new_digest(num_coefficients: int) -> hashlib._Hash:
    return hashlib.sha256(repr(num_coefficients).encode())


def _update_digest(
    digest: hashlib._Hash, utterance_id: str, frames: NDArray[np.float32], rows: NDArray[np.int64]
) -> None:
    for part in (repr((utterance_id, frames.shape, rows.shape)).encode(), frames.data, rows.tobytes()):
        digest.update(part)


class PartitionWriter:
    """Packs utterances, one after the other, into a folder; use it through `write_partition`."""

    def __init__(self, directory: Path, description: PartitionDescription) -> None:
        self.description = description
        self._directory = directory
        self._ids: dict[str, None] = {}
        self._frame_offsets, self._reference_offsets = array("q", [0]), array("q", [0])
        # A small array an utterance would take several times the memory, and 64 bits twice.
        self._references = array("i")
        self._digest = _new_digest(description.num_coefficients)
        self._features: IO[bytes] = open(directory / "features.npy", "wb")
        self._write_header()

    def add(self, utterance_id: str, features: ArrayLike, reference: ArrayLike) -> None:
        """Append an utterance.

        Args:
            utterance_id: not yet in the partition.
            features: (T, F).
            reference: (R,) classes, or (R, 3) of class, first frame, end frame (-1 where not known).

        Raises:
            DataError: the id is there already, the shapes are wrong, or a feature is not finite.
        """
        frames = np.ascontiguousarray(features, dtype=np.float32)
        rows = np.asarray(reference, dtype=np.int64)
        if rows.ndim == 1:
            rows = np.stack([rows, *2 * [np.full_like(rows, -1)]], axis=1) if len(rows) else rows.reshape(0, 3)
        if utterance_id in self._ids:
            raise DataError(f"utterance {utterance_id}: is there a second time")
        if frames.ndim != 2 or frames.shape[1] != self.description.num_coefficients:
            raise DataError(
                f"utterance {utterance_id}: features of shape {frames.shape}, but the partition has "
                f"{self.description.num_coefficients} coefficients"
            )
        if rows.ndim != 2 or rows.shape[1] != 3:
            raise DataError(f"utterance {utterance_id}: reference of shape {rows.shape}, not (R,) or (R, 3)")
        if not np.isfinite(frames).all():
            raise DataError(f"utterance {utterance_id}: a feature is NaN or infinite; mend its audio")
        self._features.write(frames.data)
        _update_digest(self._digest, utterance_id, frames, rows)
        self._ids[utterance_id] = None
        self._frame_offsets.append(self._frame_offsets[-1] + len(frames))
        self._reference_offsets.append(self._reference_offsets[-1] + len(rows))
        self._references.frombytes(rows.astype(np.intc).tobytes())

    def close(self) -> None:
        """Write the index and the description; the partition is whole after this."""
        self._features.seek(0)
        self._write_header()
        self._features.close()
        with zipfile.ZipFile(self._directory / "index.npz", "w") as index:
            for name, values in (
                ("utterance_ids", np.array(list(self._ids), dtype=np.str_)),
                ("frame_offsets", np.asarray(self._frame_offsets)),
                ("reference_offsets", np.asarray(self._reference_offsets)),
            ):
                with index.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values)
            with index.open("references.npy", "w", force_zip64=True) as file:
                rows = np.asarray(self._references).reshape(-1, 3)
                header = {"descr": "<i8", "fortran_order": False, "shape": rows.shape}
                np.lib.format.write_array_header_1_0(file, header)
                for first in range(0, len(rows), _ROWS_AT_ONCE):
                    file.write(rows[first : first + _ROWS_AT_ONCE].astype("<i8").data)
        content = {"format": FORMAT, "digest": self._digest.hexdigest(), **asdict(self.description)}
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (self._directory / "partition.json").write_text(text, encoding="utf-8")

    def abandon(self) -> None:
        """Close the file without an index."""
        self._features.close()

    def _write_header(self) -> None:
        # numpy leaves room for the first axis to grow, so that the header keeps its length when it is written again.
        shape = (self._frame_offsets[-1], self.description.num_coefficients)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._features, header)


@contextmanager
def write_partition(path: str | Path, description: PartitionDescription) -> Iterator[PartitionWriter]:
    """A writer whose partition takes its name once the block has ended well.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_partition(folder + "/train", PartitionDescription(num_coefficients=2)) as writer:
    ...         writer.add("a", [[1, 2], [3, 4]], [0, 5])
    ...     partition = read_partition(folder + "/train")
    ...     partition.features_of(0).tolist(), partition.reference_of(0).tolist()
    ([[1.0, 2.0], [3.0, 4.0]], [[0, -1, -1], [5, -1, -1]])
    """
    with atomic_directory(path) as directory:
        writer = PartitionWriter(directory, description)
        try:
            yield writer
            writer.close()
        finally:
            writer.abandon()
