"""Partition: packed features and references of utterances.

A partition is a folder of three files:

- `features.npy`: float32 (frames, coefficients), all utterances concatenated; memory-mapped and shared by processes;
- `index.npz`: `utterance_ids`, `frame_offsets` (U + 1), `references` int32 (R, 3) with class, first frame and end frame
  of each symbol, memory-mapped too, `reference_offsets` (U + 1), and of each utterance `adjacent_repeats` (U) and
  `magnitudes` (U, coefficients); utterance i has rows `offsets[i]` to `offsets[i + 1]` of features and references;
- `partition.json`: number of coefficients, frame shift, origin of the features, statistics of the content, a digest of
  the other two files, and a checksum of all this.

The digest, and that all features are finite, is established when a partition is written, and verified once per other
state of the files. Reading takes no time that grows with the number of frames or symbols.
"""

from __future__ import annotations

import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.data.content_digest import ContentDigest
from cnn_mellin.data.content_statistics import (
    ContentStatistics,
    StatisticsWriter,
    count_adjacent_repeats,
    magnitudes_of,
)
from cnn_mellin.data.mapped_member import map_member
from cnn_mellin.data.partition_description import (
    AUDIO,
    LOGITS,
    PARTITION_FILES,
    PARTITION_FORMAT,
    PartitionDescription,
    description_checksum,
    features_dtype,
)
from cnn_mellin.data.resident_pages import ResidentPages
from cnn_mellin.data.utterance_data import complain_of_class, complain_of_feature
from cnn_mellin.data.verified_files import (
    files_state,
    forget_verified,
    is_verified,
    remember_verified,
)
from cnn_mellin.errors import DataError
from cnn_mellin.formats.text_file import read_json

__all__ = [
    "Partition",
    "Verify",
    "read_partition",
    "verify_content",
]

_WITHOUT_STATISTICS = 2  # with references of 64 bits
_WITHOUT_CHECKSUM = 1
# Sizes of the pieces in which features are read.
_FRAMES_AT_ONCE = 1 << 16
_BYTES_AT_ONCE = 1 << 20

Verify = Literal["once", "always", "never"]

# Errors that readers of JSON, zip archives and arrays raise for damaged files; the warnings are numpy's.
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    Warning,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Partition:
    """Features and references of a partition.

    Args:
        path: folder of the partition.
        description: description of the features.
        digest: digest of all ids, features and references.
        utterance_ids: ids of the U utterances.
        features: (frames, coefficients), all utterances concatenated.
        frame_offsets: (U + 1,), first row of each utterance in `features`, and the total number of rows.
        references: (R, 3), class, first frame and end frame (-1 if unknown) of each symbol of all utterances.
        reference_offsets: (U + 1,), first row of each utterance in `references`, and the total number of rows.
        verified: True if the files were verified, and all features are finite.
        statistics: statistics of the content; None if the files do not have them.
    """

    path: Path
    description: PartitionDescription
    digest: str
    utterance_ids: list[str]
    features: NDArray[np.float32]
    frame_offsets: NDArray[np.int64]
    references: NDArray[np.integer[Any]]
    reference_offsets: NDArray[np.int64]
    # not copied by `replace`, which may change the content
    verified: bool = field(default=False, init=False)
    statistics: ContentStatistics | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def num_coefficients(self) -> int:
        """Number of coefficients per frame."""
        return self.description.num_coefficients

    @property
    def num_frames(self) -> NDArray[np.int64]:
        """Number of frames of each utterance, (U,)."""
        return np.diff(self.frame_offsets)

    @property
    def reference_lengths(self) -> NDArray[np.int64]:
        """Number of symbols of each reference, (U,)."""
        return np.diff(self.reference_offsets)

    @cached_property
    def adjacent_repeats(self) -> NDArray[np.int32]:
        """Number of symbols of each reference that equal the symbol before them, (U,)."""
        if self.statistics is not None:
            return self.statistics.adjacent_repeats
        return count_adjacent_repeats(self.references[:, 0], self.reference_offsets)

    def magnitude_sums(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sum over the frames of each of these utterances of the absolute value of each coefficient, (N, F)."""
        if self.statistics is not None:
            self._resident[2].touch(len(rows) * self.num_coefficients * 8)
            return self.statistics.magnitudes[rows]
        return np.stack([magnitudes_of(self.features_of(i)) for i in rows.tolist()])

    @cached_property
    def _resident(self) -> tuple[ResidentPages, ...]:
        arrays = [self.features, self.references, *([self.statistics.magnitudes] if self.statistics else [])]
        return tuple(ResidentPages(array) for array in arrays)

    def __len__(self) -> int:
        return len(self.utterance_ids)

    def features_of(self, i: int) -> NDArray[np.float32]:
        """Features of utterance i, (T, F), a view of the memory map."""
        frames = self.features[self.frame_offsets[i] : self.frame_offsets[i + 1]]
        self._resident[0].touch(frames.nbytes)
        return frames

    def reference_of(self, i: int) -> NDArray[np.int64]:
        """Reference of utterance i, (R, 3): class, first frame, end frame (-1 if unknown)."""
        rows = self.references[self.reference_offsets[i] : self.reference_offsets[i + 1]]
        self._resident[1].touch(rows.nbytes)
        return rows.astype(np.int64)

    def check_finite(self) -> None:
        """Raise a DataError that names the first utterance with a NaN or infinite feature."""
        if self.verified:
            return
        for first in range(0, len(self.features), _FRAMES_AT_ONCE):
            finite = np.isfinite(self.features[first : first + _FRAMES_AT_ONCE]).all(axis=1)
            if not finite.all():
                complain_of_feature(self.path, *_place_of_frame(self, first + int(np.argmin(finite))))

    def check_classes(self, num_symbols: int) -> None:
        """Raise a DataError that names the first utterance with a class outside 0..num_symbols - 1."""
        if self.verified and self.statistics is not None:
            lowest, highest = self.statistics.classes or (0, -1)
            if lowest >= 0 and highest < num_symbols:
                return
        wrong = (self.references[:, 0] < 0) | (self.references[:, 0] >= num_symbols)
        if wrong.any():
            row = int(np.argmax(wrong))
            i = int(np.searchsorted(self.reference_offsets, row, side="right")) - 1
            complain_of_class(self.path, self.utterance_ids[i], int(self.references[row, 0]), num_symbols)


def read_partition(path: str | Path, *, verify: Verify = "once") -> Partition:
    """Read a packed partition, its features memory-mapped.

    Args:
        path: folder of the partition.
        verify: how often to read all features and references and compare their digest: "once" per state of the files
            (size, times, inode) unless they were written in this state, "always", or "never". Ids, offsets and
            description are always verified.

    Raises:
        DataError: a file is missing, is damaged, or disagrees with another.
    """
    path = Path(path)
    try:
        missing = [name for name in PARTITION_FILES if not (path / name).exists()]
        if missing:
            why = "it is a file" if path.is_file() else "there is no such folder"
            if path.is_dir():
                why = f"{missing[0]} is missing"
            expected = "name the folder of a partition, such as data/fbank-81-10ms/train"
            raise DataError(f"{path}: is not a data directory ({why}); {expected}")
        state = files_state(path, PARTITION_FILES)
        partition = _read(path)
        if verify == "never":
            return partition
        if verify == "always" or not is_verified(path, state):
            forget_verified(path, state)
            verify_content(partition)
            remember_verified(path, state)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    object.__setattr__(partition, "verified", True)
    return partition


def verify_content(partition: Partition) -> None:
    """Read a packed partition in pieces, and compare the digest of its content with the one stored when it was written.

    Raises:
        DataError: a file has changed since, or cannot be read.
    """
    remedy = _remedy(partition.description)
    dtype, frame = features_dtype(partition.description), 0
    digest, width = ContentDigest(partition.num_coefficients), dtype.itemsize * partition.num_coefficients
    statistics = StatisticsWriter(partition.num_coefficients)

    def pieces(file: IO[bytes], num_bytes: int) -> Iterator[bytes]:
        nonlocal frame
        while num_bytes:
            piece = file.read(min(num_bytes, max(_BYTES_AT_ONCE // width, 1) * width))
            if not piece or len(piece) % width:
                raise DataError(f"{partition.path}: is damaged (features.npy is cut short); {remedy}")
            finite = np.isfinite(np.frombuffer(piece, dtype).reshape(-1, partition.num_coefficients))
            if not finite.all():  # only finite features are ever written
                name, number = _place_of_frame(partition, frame + int(np.argmin(finite.all(axis=1))))
                why = "a feature is NaN or infinite, which is damage"
                raise DataError(f"{partition.path}: utterance {name}, frame {number}: {why}; {remedy}")
            yield piece
            num_bytes -= len(piece)
            frame += len(finite)

    with open(partition.path / "features.npy", "rb") as file:
        _read_array_header(file)
        for i, num_frames in enumerate(partition.num_frames.tolist()):
            reference = partition.reference_of(i)
            digest.add(partition.utterance_ids[i], num_frames, pieces(file, width * num_frames), reference)
            statistics.add_reference(reference)
    if digest.hexdigest() != partition.digest:
        why = "features, references or ids are not what was written"
        raise DataError(f"{partition.path}: is damaged ({why}); {remedy}")
    stored, found = partition.statistics, statistics.taken()
    with zipfile.ZipFile(partition.path / "index.npz") as index:
        whole = index.testzip() is None
    if stored is not None and not (
        whole and stored.classes == found.classes and np.array_equal(stored.adjacent_repeats, found.adjacent_repeats)
    ):
        raise DataError(f"{partition.path}: is damaged (its statistics are not those of its references); {remedy}")


def _place_of_frame(partition: Partition, frame: int) -> tuple[str, int]:
    """Utterance id and number of the frame within the utterance, for a row of `features`."""
    i = int(np.searchsorted(partition.frame_offsets, frame, side="right")) - 1
    return partition.utterance_ids[i], int(frame - partition.frame_offsets[i])


def _read(path: Path) -> Partition:
    """Read the files of a partition, and check them as far as possible without reading features."""
    description = None
    try:
        description, digest, statistics = _read_description(path)
        # numpy repairs some damaged headers, with a warning
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with open(path / "index.npz", "rb") as file, np.load(file, allow_pickle=False) as index:
                frame_offsets, reference_offsets = index["frame_offsets"], index["reference_offsets"]
                utterance_ids = index["utterance_ids"].tolist()
                repeats = index["adjacent_repeats"] if statistics is not None else None
            references = map_member(path / "index.npz", "references")
            features = np.load(path / "features.npy", mmap_mode="r", allow_pickle=False)
        partition = Partition(
            path, description, digest, utterance_ids, features, frame_offsets, references, reference_offsets
        )
        if statistics is not None and repeats is not None:
            classes = statistics["classes"] and (int(statistics["classes"][0]), int(statistics["classes"][1]))
            magnitudes = map_member(path / "index.npz", "magnitudes").view(np.ndarray)
            object.__setattr__(partition, "statistics", ContentStatistics(classes, repeats, magnitudes))
        _check_shapes(partition)
    except _DAMAGE as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: is damaged ({why}); {_remedy(description)}") from None
    return partition


def _read_description(path: Path) -> tuple[PartitionDescription, str, dict[str, Any] | None]:
    """Description, digest and statistics of `partition.json`."""
    try:
        content = read_json(path / "partition.json")
    except DataError as error:
        raise ValueError(str(error).removeprefix(f"{path}/")) from None
    version = content["format"]
    if version not in (PARTITION_FORMAT, _WITHOUT_STATISTICS, _WITHOUT_CHECKSUM):
        raise DataError(f"{path}: is of another format than {PARTITION_FORMAT}; {_remedy(None)}")
    if version != _WITHOUT_CHECKSUM and content.pop("checksum") != description_checksum(content):
        raise ValueError("partition.json is not what was written")
    del content["format"]
    digest = content.pop("digest")
    statistics = content.pop("statistics") if version == PARTITION_FORMAT else None
    return PartitionDescription(**content), digest, statistics


def _read_array_header(file: IO[bytes]) -> None:
    """Read the header of an array, so that the next read starts at its data."""
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)


def _remedy(description: PartitionDescription | None) -> str:
    if description is None:
        return "write it again with the command that wrote it (cnn-mellin prep, speed, logits or data import)"
    if description.feature_type == LOGITS:
        return "write it again with cnn-mellin logits"
    if description.feature_type == AUDIO:
        return "prepare the audio again"
    if "rates" in description.source:
        return "prepare it again with cnn-mellin speed"
    return "prepare it again with cnn-mellin prep" if description.source else "write it again (cnn-mellin data import)"


def _check_shapes(partition: Partition) -> None:
    """Raise a ValueError if index, description and features disagree."""
    count = len(partition)
    for name, offsets in (("frame", partition.frame_offsets), ("reference", partition.reference_offsets)):
        if offsets.shape != (count + 1,):
            raise ValueError(f"index.npz has {count} utterances but another number of offsets")
        if offsets.dtype != np.int64 or offsets[0] or (np.diff(offsets) < 0).any():
            raise ValueError(f"{name}_offsets of index.npz do not rise from 0")
    expected = (int(partition.frame_offsets[-1]), partition.num_coefficients)
    dtype = features_dtype(partition.description)
    if partition.features.shape != expected or partition.features.dtype != dtype:
        found = f"{partition.features.dtype} {partition.features.shape}"
        raise ValueError(f"features.npy holds {found}, the index says {dtype} {expected}")
    references = partition.references
    width = np.int64 if partition.statistics is None else np.int32
    if references.shape != (int(partition.reference_offsets[-1]), 3) or references.dtype != width:
        raise ValueError(f"index.npz holds references {references.dtype} {references.shape}")
    statistics = partition.statistics
    if statistics is not None and (
        statistics.adjacent_repeats.shape != (count,)
        or statistics.magnitudes.shape != (count, partition.num_coefficients)
        or statistics.magnitudes.dtype != np.float64
    ):
        raise ValueError("the statistics have another size than the partition")
