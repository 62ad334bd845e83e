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

import hashlib
import json
import struct
import tokenize
import warnings
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_mellin.atomic import atomic_directory, require_replaceable
from cnn_mellin.data.content_digest import ContentDigest
from cnn_mellin.data.content_statistics import (
    ContentStatistics,
    StatisticsWriter,
    count_adjacent_repeats,
    magnitudes_of,
)
from cnn_mellin.data.mapped_member import map_member
from cnn_mellin.data.resident_pages import ResidentPages
from cnn_mellin.data.utterance_data import complain_of_class, complain_of_feature
from cnn_mellin.data.verified_files import (
    files_state,
    forget_verified,
    is_verified,
    remember_verified,
    remember_written,
)
from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import read_json

__all__ = [
    "Partition",
    "PartitionDescription",
    "PartitionWriter",
    "Verify",
    "read_partition",
    "require_partition_replaceable",
    "verify_content",
    "write_partition",
]

FORMAT = 3
_WITHOUT_STATISTICS = 2  # with references of 64 bits
_WITHOUT_CHECKSUM = 1
LOGITS = "logits"  # feature type of partitions that hold logits
AUDIO = "audio"  # feature type of partitions that hold samples as int16
_FILES = ("partition.json", "index.npz", "features.npy")
# Sizes of the pieces in which large arrays are read and written.
_FRAMES_AT_ONCE = 1 << 16
_ROWS_AT_ONCE = 1 << 16
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


def _dtype(description: PartitionDescription) -> np.dtype[Any]:
    """Type of the numbers in `features.npy`."""
    return np.dtype("<i2" if description.feature_type == AUDIO else "<f4")


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
        missing = [name for name in _FILES if not (path / name).exists()]
        if missing:
            why = "it is a file" if path.is_file() else "there is no such folder"
            if path.is_dir():
                why = f"{missing[0]} is missing"
            expected = "name the folder of a partition, such as data/fbank-81-10ms/train"
            raise DataError(f"{path}: is not a data directory ({why}); {expected}")
        state = files_state(path, _FILES)
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
    dtype, frame = _dtype(partition.description), 0
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
    if version not in (FORMAT, _WITHOUT_STATISTICS, _WITHOUT_CHECKSUM):
        raise DataError(f"{path}: is of another format than {FORMAT}; {_remedy(None)}")
    if version != _WITHOUT_CHECKSUM and content.pop("checksum") != _checksum(content):
        raise ValueError("partition.json is not what was written")
    del content["format"]
    digest = content.pop("digest")
    statistics = content.pop("statistics") if version == FORMAT else None
    return PartitionDescription(**content), digest, statistics


def _checksum(content: dict[str, Any]) -> str:
    """Checksum of the rest of `partition.json`."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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


def _check_shapes(partition: Partition) -> None:
    """Raise a ValueError if index, description and features disagree."""
    count = len(partition)
    for name, offsets in (("frame", partition.frame_offsets), ("reference", partition.reference_offsets)):
        if offsets.shape != (count + 1,):
            raise ValueError(f"index.npz has {count} utterances but another number of offsets")
        if offsets.dtype != np.int64 or offsets[0] or (np.diff(offsets) < 0).any():
            raise ValueError(f"{name}_offsets of index.npz do not rise from 0")
    expected = (int(partition.frame_offsets[-1]), partition.num_coefficients)
    dtype = _dtype(partition.description)
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


class PartitionWriter:
    """Writes utterances to a folder one after another; created by `write_partition`."""

    def __init__(self, directory: Path, description: PartitionDescription) -> None:
        self.description = description
        self._directory = directory
        self._ids: dict[str, None] = {}
        self._frame_offsets, self._reference_offsets = array("q", [0]), array("q", [0])
        self._references = array("i")  # one small array per utterance would take several times the memory
        self._statistics = StatisticsWriter(description.num_coefficients)
        self._digest = ContentDigest(description.num_coefficients)
        self._features: IO[bytes] = open(directory / "features.npy", "wb")
        self._write_header()

    def add(self, utterance_id: str, features: ArrayLike, reference: ArrayLike) -> None:
        """Append an utterance.

        Args:
            utterance_id: id that is not in the partition yet.
            features: (T, F).
            reference: (R,), classes, or (R, 3), class, first frame and end frame (-1 if unknown) of each symbol.

        Raises:
            DataError: the id is a duplicate or breaks the rule for identifiers, a shape is wrong, or a feature is not
                finite.
        """
        require_identifier(utterance_id, "utterance")
        frames = np.ascontiguousarray(features, dtype=_dtype(self.description))
        rows = np.asarray(reference, dtype=np.int64)
        if rows.ndim == 1:
            rows = np.stack([rows, *2 * [np.full_like(rows, -1)]], axis=1) if len(rows) else rows.reshape(0, 3)
        if utterance_id in self._ids:
            raise DataError(f"utterance {utterance_id}: duplicate utterance id")
        if frames.ndim != 2 or frames.shape[1] != self.description.num_coefficients:
            raise DataError(
                f"utterance {utterance_id}: features have shape {frames.shape}, but the partition has "
                f"{self.description.num_coefficients} coefficients"
            )
        if rows.ndim != 2 or rows.shape[1] != 3:
            raise DataError(f"utterance {utterance_id}: reference has shape {rows.shape}; it must be (R,) or (R, 3)")
        if not np.isfinite(frames).all():
            raise DataError(f"utterance {utterance_id}: a feature is NaN or infinite; mend its audio")
        self._features.write(frames.data)
        self._digest.add(utterance_id, len(frames), [frames.data], rows)
        self._ids[utterance_id] = None
        self._frame_offsets.append(self._frame_offsets[-1] + len(frames))
        self._reference_offsets.append(self._reference_offsets[-1] + len(rows))
        self._references.frombytes(rows.astype(np.intc).tobytes())
        self._statistics.add(frames, rows)

    def close(self) -> None:
        """Write the index and the description, which completes the partition."""
        self._features.seek(0)
        self._write_header()
        self._features.close()
        statistics = self._statistics.taken()
        with zipfile.ZipFile(self._directory / "index.npz", "w") as index:
            # The arrays that are memory-mapped come first, as their places are then multiples of 8 bytes.
            with index.open("magnitudes.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, statistics.magnitudes)
            with index.open("references.npy", "w", force_zip64=True) as file:
                rows = np.asarray(self._references).reshape(-1, 3)
                header = {"descr": "<i4", "fortran_order": False, "shape": rows.shape}
                np.lib.format.write_array_header_1_0(file, header)
                for first in range(0, len(rows), _ROWS_AT_ONCE):
                    file.write(rows[first : first + _ROWS_AT_ONCE].astype("<i4").data)
            for name, values in (
                ("utterance_ids", np.array(list(self._ids), dtype=np.str_)),
                ("frame_offsets", np.asarray(self._frame_offsets)),
                ("reference_offsets", np.asarray(self._reference_offsets)),
                ("adjacent_repeats", statistics.adjacent_repeats),
            ):
                with index.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, values)
        content = {
            "format": FORMAT,
            "digest": self._digest.hexdigest(),
            "statistics": {"classes": statistics.classes and list(statistics.classes)},
            **asdict(self.description),
        }
        content["checksum"] = _checksum(json.loads(json.dumps(content)))
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (self._directory / "partition.json").write_text(text, encoding="utf-8")

    def abandon(self) -> None:
        """Close the features without writing the index."""
        self._features.close()

    def _write_header(self) -> None:
        # numpy leaves room for the first axis to grow, so that the header keeps its length when it is rewritten
        shape = (self._frame_offsets[-1], self.description.num_coefficients)
        header = {"descr": _dtype(self.description).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._features, header)


def require_partition_replaceable(path: str | Path, description: PartitionDescription) -> None:
    """Raise a DataError if `write_partition` would refuse `path`; call it before features are computed."""
    require_replaceable(path, **_replaceable(description))


def _replaceable(description: PartitionDescription) -> dict[str, Any]:
    """Arguments of `require_replaceable`: the kind of partition that may be replaced, and a test for it."""
    origin = _origin(description.feature_type, description.source)
    return {"what": origin, "is_own": lambda path: _stored_origin(path) == origin}


def _origin(feature_type: str, source: dict[str, Any]) -> str:
    """Kind of a partition, by the way it was made."""
    if feature_type == LOGITS:
        return "folder of a model's logits"
    if feature_type == AUDIO:
        return "shard of prepared audio"
    if "rates" in source:
        return "partition at several speaking rates"
    return "prepared partition" if "corpus" in source or "configuration" in source else "imported partition"


def _stored_origin(path: Path) -> str | None:
    """Kind of the partition in a folder; None if the folder holds other files."""
    names = {entry.name for entry in path.iterdir()}
    if not names <= set(_FILES):
        return None
    try:
        content = json.loads((path / "partition.json").read_text(encoding="utf-8"))
        return _origin(content["feature_type"], dict(content["source"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # damaged, for which the remedy is to prepare it again
        return "prepared partition" if len(names) > 1 else None


@contextmanager
def write_partition(path: str | Path, description: PartitionDescription) -> Iterator[PartitionWriter]:
    """Context manager for writing a partition, which appears at `path` only if the block ends without an error.

    An existing partition is replaced if it was made in the same way: prepared, imported, logits of a model, and so on.

    Args:
        path: folder to write.
        description: description of the features and their origin.

    Raises:
        DataError: `path` exists and holds something else.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_partition(folder + "/train", PartitionDescription(num_coefficients=2)) as writer:
    ...         writer.add("a", [[1, 2], [3, 4]], [0, 5])
    ...     partition = read_partition(folder + "/train")
    ...     partition.features_of(0).tolist(), partition.reference_of(0).tolist()
    ([[1.0, 2.0], [3.0, 4.0]], [[0, -1, -1], [5, -1, -1]])
    """
    with atomic_directory(path, **_replaceable(description)) as directory:
        writer = PartitionWriter(directory, description)
        try:
            yield writer
            writer.close()
        finally:
            writer.abandon()
    remember_written(Path(path), _FILES)
