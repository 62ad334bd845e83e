"""Writing of partitions, one utterance after another."""

from __future__ import annotations

import json
import zipfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike

from cnn_mellin.atomic import atomic_directory, require_replaceable
from cnn_mellin.data.content_digest import ContentDigest
from cnn_mellin.data.content_statistics import StatisticsWriter
from cnn_mellin.data.partition_description import (
    AUDIO,
    LOGITS,
    PARTITION_FILES,
    PARTITION_FORMAT,
    PartitionDescription,
    description_checksum,
    features_dtype,
)
from cnn_mellin.data.verified_files import remember_written
from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import require_identifier

__all__ = ["PartitionWriter", "require_partition_replaceable", "write_partition"]

_ROWS_AT_ONCE = 1 << 16  # of references


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
        frames = np.ascontiguousarray(features, dtype=features_dtype(self.description))
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
            "format": PARTITION_FORMAT,
            "digest": self._digest.hexdigest(),
            "statistics": {"classes": statistics.classes and list(statistics.classes)},
            **asdict(self.description),
        }
        content["checksum"] = description_checksum(json.loads(json.dumps(content)))
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (self._directory / "partition.json").write_text(text, encoding="utf-8")

    def abandon(self) -> None:
        """Close the features without writing the index."""
        self._features.close()

    def _write_header(self) -> None:
        # numpy leaves room for the first axis to grow, so that the header keeps its length when it is rewritten
        shape = (self._frame_offsets[-1], self.description.num_coefficients)
        header = {"descr": features_dtype(self.description).str, "fortran_order": False, "shape": shape}
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
    if not names <= set(PARTITION_FILES):
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
    >>> from cnn_mellin.data.partition import read_partition
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
    remember_written(Path(path), PARTITION_FILES)
