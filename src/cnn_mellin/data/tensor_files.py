"""The predecessor's format of a partition: files `feat/UTT.pt` and `ref/UTT.pt` for each utterance."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin.atomic import atomic_directory
from cnn_mellin.data.partition import Partition, Verify, read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.utterance_names import name_utterances

__all__ = ["load_tensor_file", "open_partition", "read_tensor_files", "write_tensor_files"]

_LOGGER = logging.getLogger(__name__)

_EXPORT = "folder that cnn-mellin data export wrote"


def open_partition(path: str | Path, *, verify: Verify = "once") -> Partition:
    """Open a partition in either format: packed (memory-mapped) or tensor files (read into memory).

    Args:
        path: folder of the partition.
        verify: how often to verify the features of a packed partition, as in `read_partition`.

    Raises:
        DataError: the folder is not a partition, or is damaged.
    """
    path = Path(path)
    partition = read_tensor_files(path) if (path / "feat").is_dir() else read_partition(path, verify=verify)
    _LOGGER.debug("%s: opened, %d utterances", path, len(partition))
    return partition


def write_tensor_files(partition: Partition, path: str | Path) -> None:
    """Export a partition as `feat/UTT.pt`, float32 (T, F), and `ref/UTT.pt`, int64 (R, 3).

    Each row of a reference is class, first frame and end frame (-1 if unknown).

    Args:
        partition: packed partition.
        path: folder to write; an older export is replaced.

    Raises:
        DataError: an utterance id cannot be a file name, or `path` exists and is not an export.
    """
    for utterance_id in partition.utterance_ids:
        require_identifier(utterance_id, "utterance", str(partition.path))
    with atomic_directory(path, what=_EXPORT, is_own=_is_export) as directory:
        (directory / "feat").mkdir()
        (directory / "ref").mkdir()
        for i, utterance_id in enumerate(partition.utterance_ids):
            for kind, rows in (("feat", partition.features_of(i)), ("ref", partition.reference_of(i))):
                _save(torch.from_numpy(rows.copy()), directory / kind / f"{utterance_id}.pt")


def _save(tensor: torch.Tensor, path: Path) -> None:
    """Write a tensor; unlike with `torch.save` to a path, a full disk raises an OSError that says so."""
    content = io.BytesIO()
    torch.save(tensor, content)
    path.write_bytes(content.getbuffer())


def _is_export(path: Path) -> bool:
    """Return True if a folder holds an export and nothing else."""
    if set(os.listdir(path)) != {"feat", "ref"}:
        return False
    names = [sorted(os.listdir(path / kind)) if (path / kind).is_dir() else None for kind in ("feat", "ref")]
    if names[0] is None or names[0] != names[1] or not all(name.endswith(".pt") for name in names[0]):
        return False
    try:
        for name in names[0][:1]:
            features, reference = (
                load_tensor_file(path / "feat" / name, (2,)),
                load_tensor_file(path / "ref" / name, (2,)),
            )
            return (features.dtype, reference.dtype, reference.shape[1]) == (torch.float32, torch.int64, 3)
    except (DataError, OSError):
        return False
    return True


def read_tensor_files(path: str | Path) -> Partition:
    """Read the tensor files of a folder into memory.

    Raises:
        DataError: an utterance lacks a file, an id breaks the rule for identifiers, or a file holds no valid tensor.
    """
    path = Path(path)
    ids = {kind: {file.stem for file in (path / kind).glob("*.pt")} for kind in ("feat", "ref")}
    if not ids["feat"]:
        raise DataError(f"{path}: feat/ holds no .pt file; expected one for each utterance")
    lacking = sorted(ids["feat"] ^ ids["ref"])
    if lacking:
        raise DataError(
            f"{path}: only in feat/ or only in ref/: {name_utterances(lacking)}; each utterance needs both files"
        )
    utterance_ids = sorted(ids["feat"])
    for name in utterance_ids:
        require_identifier(name, "utterance", f"{path}/feat")
    features = [
        load_tensor_file(path / "feat" / f"{name}.pt", (2,)).to(torch.float32).numpy() for name in utterance_ids
    ]
    references = [_timed(load_tensor_file(path / "ref" / f"{name}.pt", (1, 2)), path, name) for name in utterance_ids]
    for name, frames in zip(utterance_ids, features, strict=True):
        if frames.shape[1] != features[0].shape[1]:
            expected = f"{features[0].shape[1]} as in feat/{utterance_ids[0]}.pt"
            raise DataError(f"{path}/feat/{name}.pt: has {frames.shape[1]} coefficients, not {expected}")
    digest = hashlib.sha256(repr([frames.shape for frames in features]).encode())
    for name, *arrays in zip(utterance_ids, features, references, strict=True):
        digest.update(b"".join([name.encode(), *(array.tobytes() for array in arrays)]))
    return Partition(
        path,
        PartitionDescription(features[0].shape[1]),
        digest.hexdigest(),
        utterance_ids,
        np.concatenate(features),
        np.cumsum([0, *map(len, features)]),
        np.concatenate(references),
        np.cumsum([0, *map(len, references)]),
    )


def _timed(reference: torch.Tensor, path: Path, name: str) -> NDArray[np.int64]:
    rows = reference.to(torch.int64).numpy()
    if rows.ndim == 1:
        rows = np.stack([rows, np.full_like(rows, -1), np.full_like(rows, -1)], axis=1)
    if rows.shape[1] != 3:
        raise DataError(f"{path}/ref/{name}.pt: has shape {rows.shape}; must be (phones,) or (phones, 3)")
    return rows


def load_tensor_file(path: Path, dims: tuple[int, ...]) -> torch.Tensor:
    """Load the tensor in a file without executing any code in it.

    Args:
        path: file that `torch.save` wrote.
        dims: allowed numbers of axes.

    Raises:
        DataError: the file holds no tensor, or one with another number of axes.
    """
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"{path}: is not a saved tensor ({str(error).splitlines()[0]})") from None
    if not isinstance(tensor, torch.Tensor) or tensor.dim() not in dims:
        raise DataError(f"{path}: holds {getattr(tensor, 'shape', type(tensor).__name__)}, not a tensor of {dims} axes")
    return tensor
