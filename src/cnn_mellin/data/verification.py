"""Strict verification of data directories, which reports every fault, not only the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.tensor_files import load_tensor_file
from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.identifier import RULE, identifier_fault
from cnn_mellin.formats.scoring_folding import is_folded
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models.arpa import arpa_tokens, read_arpa
from cnn_mellin.utterance_names import name_utterances

__all__ = ["find_faults", "partitions_in"]


def partitions_in(path: str | Path) -> list[Path]:
    """Find partitions in either format: the folder itself, or those in it or one level below, sorted.

    Raises:
        DataError: there is no partition.
    """
    path = Path(path)
    for pattern in ("", "*", "*/*"):
        folders = [path] if not pattern else sorted(path.glob(pattern))
        found = [folder for folder in folders if _is_partition(folder)]
        if found:
            return found
    why = "holds no partition (DATA/FEATURES/PART)" if path.is_dir() else "there is no such folder"
    raise DataError(f"{path}: {why}; name a folder that cnn-mellin prep wrote")


def find_faults(path: str | Path) -> Iterator[str]:
    """Find all faults of a partition in either format; yields one line per fault.

    Each utterance must have finite floating-point features (T, F), with T > 0 and the same F for all utterances, and a
    reference (R,) or (R, 3) of integers with 0 <= first < end <= T, if it has times, and classes below the number of
    symbols. A packed partition must agree with its index and digest. The files in the folder `ext` beside the partition
    must exist and agree with it; without `ext`, classes have no upper bound.
    """
    path = Path(path)
    ext = path.parent / "ext"
    num_symbols = None
    if ext.is_dir():
        try:
            num_symbols = len(read_symbols(ext))
        except UserError as error:
            yield str(error)
    if (path / "feat").is_dir() or (path / "ref").is_dir():
        yield from _file_faults(path, num_symbols)
        return
    try:
        partition = read_partition(path, verify="never")
    except UserError as error:
        yield str(error)
        return
    yield from _packed_faults(partition, num_symbols)
    if num_symbols is not None:
        yield from _ext_faults(ext, partition)


def _is_partition(path: Path) -> bool:
    if path.name == "ext" or path.name.startswith("."):
        return False
    return any((path / name).exists() for name in ("partition.json", "index.npz", "features.npy", "feat", "ref"))


def _packed_faults(partition: Partition, num_symbols: int | None) -> Iterator[str]:
    path = partition.path
    for name, count in Counter(partition.utterance_ids).items():
        if count > 1:
            yield f"{path}: duplicate utterance id {name} ({count} times); prepare it again"
    for i, name in enumerate(partition.utterance_ids):
        frames, reference = partition.features_of(i), partition.reference_of(i)
        yield from (f"{path}: utterance {name}: {fault}" for fault in _utterance_faults(frames, reference, num_symbols))
    try:
        read_partition(path, verify="always")  # also deletes the record of its verification, if it is damaged
    except UserError as error:
        yield str(error)


def _utterance_faults(
    frames: NDArray[np.floating], reference: NDArray[np.int64], num_symbols: int | None
) -> Iterator[str]:
    """Faults of features (T, F) and a reference (R,) or (R, 3); the first of each kind."""
    num_frames = len(frames)
    if not num_frames:
        yield "has no frames"
    finite = np.isfinite(frames).all(axis=1)
    if not finite.all():
        yield f"feature of frame {int(np.argmin(finite))} is NaN or infinite"
    classes = reference if reference.ndim == 1 else reference[:, 0]
    wrong = classes < 0 if num_symbols is None else (classes < 0) | (classes >= num_symbols)
    if wrong.any():
        rule = "must not be negative" if num_symbols is None else f"is not in 0..{num_symbols - 1} (ext/token2id.txt)"
        yield f"class {classes[wrong][0]} {rule}"
    if reference.ndim == 2:
        first, end = reference[:, 1], reference[:, 2]
        wrong = ~((0 <= first) & (first < end) & (end <= num_frames)) & ~((first == -1) & (end == -1))
        if wrong.any():
            times = f"{first[wrong][0]} to {end[wrong][0]}"
            yield f"symbol {int(np.argmax(wrong))} lasts from frame {times}; must be 0 <= first < end <= {num_frames}"


def _file_faults(path: Path, num_symbols: int | None) -> Iterator[str]:
    ids = {kind: {file.stem for file in (path / kind).glob("*.pt")} for kind in ("feat", "ref")}
    if not ids["feat"] and not ids["ref"]:
        yield f"{path}: holds no utterance; expected feat/UTT.pt and ref/UTT.pt for each"
    for kind, other in (("feat", "ref"), ("ref", "feat")):
        for name in sorted(ids[other] - ids[kind]):
            yield f"{path}/{kind}/{name}.pt: does not exist, but {other}/{name}.pt does"
    for kind in ("feat", "ref"):
        for name in sorted(ids[kind]):
            fault = identifier_fault(name)
            if fault is not None:
                yield f"{path}/{kind}: utterance {ascii(name[:60])} {fault}; {RULE}; rename it"
    width = None
    for name in sorted(ids["feat"] & ids["ref"]):
        feature_path, reference_path = (path / kind / f"{name}.pt" for kind in ("feat", "ref"))
        try:
            features, reference = load_tensor_file(feature_path, (2,)), load_tensor_file(reference_path, (1, 2))
        except UserError as error:
            yield str(error)
            continue
        whole = True
        if not features.dtype.is_floating_point:
            whole = False
            yield f"{feature_path}: is {features.dtype}; must be floating point"
        if reference.dtype != torch.int64 or (reference.dim() == 2 and reference.shape[1] != 3):
            whole = False
            yield f"{reference_path}: is {reference.dtype} {tuple(reference.shape)}; must be int64 (R,) or (R, 3)"
        width = features.shape[1] if width is None else width
        if features.shape[1] != width:
            yield f"{feature_path}: has {features.shape[1]} coefficients; the files before it have {width}"
        if whole:
            faults = _utterance_faults(features.float().numpy(), reference.numpy(), num_symbols)
            yield from (f"{path}: utterance {name}: {fault}" for fault in faults)


def _ext_faults(ext: Path, partition: Partition) -> Iterator[str]:
    """Files in `ext` that are missing, or disagree with the symbols or the partition."""
    name, symbols = partition.path.name, read_symbols(ext)
    checks: dict[str, Callable[[Path], str | None]] = {
        "id2token.txt": lambda path: None if _second_column(path) == symbols else "does not agree with token2id.txt",
        "lm.arpa.gz": lambda path: _lm_fault(path, symbols),
        "utt2spk": lambda path: _missing(read_speakers(path), partition.utterance_ids),
        f"{name}.ref.trn": lambda path: _missing(read_trn(path), partition.utterance_ids),
        f"{name}.info.ark": lambda path: _info_fault(path, partition),
    }
    for file, check in checks.items():
        if not (ext / file).exists():
            yield f"{ext / file}: is missing; prepare the corpus again"
            continue
        try:
            fault = check(ext / file)
        except (UserError, OSError, UnicodeDecodeError) as error:
            yield str(error)
        else:
            if fault:
                yield f"{ext / file}: {fault}"
    try:
        is_folded(ext)
    except UserError as error:
        yield str(error)


def _second_column(path: Path) -> list[str]:
    return [line.split()[-1] for line in read_lines(path) if line.strip()]


def _lm_fault(path: Path, symbols: Collection[str]) -> str | None:
    same = set(arpa_tokens(read_arpa(path))) == set(symbols)
    return None if same else "is a model of other symbols than those in token2id.txt"


def _missing(found: Collection[str], utterance_ids: Collection[str]) -> str | None:
    missing = [name for name in utterance_ids if name not in found]
    return f"lacks {len(missing)} utterances: {name_utterances(missing)}" if missing else None


def _info_fault(path: Path, partition: Partition) -> str | None:
    fields = (line.split() for line in read_lines(path))
    info = {row[0]: row[-1] for row in fields if row}
    for name, value in (("num_utterances", len(partition)), ("total_frames", int(partition.frame_offsets[-1]))):
        if info.get(name) != str(value):
            return f"{name} is {info.get(name)}, but the partition has {value}"
    return None
