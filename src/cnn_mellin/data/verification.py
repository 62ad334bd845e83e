"""Strict verification of data directories: every fault is found and named, not only the first."""

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
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.language_models.arpa import arpa_tokens, read_arpa
from cnn_mellin.utterance_names import name_utterances

__all__ = ["find_faults", "partitions_in"]


def partitions_in(path: str | Path) -> list[Path]:
    """A partition itself, or the partitions in a folder or one folder below it, sorted; either form.

    Raises:
        DataError: there is none.
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
    """Every fault of a partition, a line each, in either form.

    Checked are: every utterance has features (T, F), T > 0, floating point and finite, F everywhere the same, and a
    reference (R,) or (R, 3) of whole numbers; 0 <= first < end <= T where times are given; classes below the number of
    symbols; in the packed form, that all agrees with its index and digest. Of the folder `ext` beside it: that its
    files are there and agree with the partition. Where there is no `ext`, classes have no upper bound.
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
            yield f"{path}: utterance {name} is there {count} times; prepare it again"
    for i, name in enumerate(partition.utterance_ids):
        frames, reference = partition.features_of(i), partition.reference_of(i)
        yield from (f"{path}: utterance {name}: {fault}" for fault in _utterance_faults(frames, reference, num_symbols))
    try:
        read_partition(path, verify="always")  # also forgets that it was whole, if it no longer is
    except UserError as error:
        yield str(error)


def _utterance_faults(
    frames: NDArray[np.floating], reference: NDArray[np.int64], num_symbols: int | None
) -> Iterator[str]:
    """What is wrong with features (T, F) and a reference (R,) or (R, 3), the first of each kind."""
    num_frames = len(frames)
    if not num_frames:
        yield "has no frame"
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
            yield f"{feature_path}: has {features.shape[1]} coefficients; those before it have {width}"
        if whole:
            faults = _utterance_faults(features.float().numpy(), reference.numpy(), num_symbols)
            yield from (f"{path}: utterance {name}: {fault}" for fault in faults)


def _ext_faults(ext: Path, partition: Partition) -> Iterator[str]:
    """What in `ext` lacks or disagrees with the symbols and the partition."""
    part, symbols = partition.path.name, read_symbols(ext)
    checks: dict[str, Callable[[Path], str | None]] = {
        "id2token.txt": lambda path: None if _second_column(path) == symbols else "does not agree with token2id.txt",
        "lm.arpa.gz": lambda path: _lm_fault(path, symbols),
        "utt2spk": lambda path: _lacking(read_speakers(path), partition.utterance_ids),
        f"{part}.ref.trn": lambda path: _lacking(read_trn(path), partition.utterance_ids),
        f"{part}.info.ark": lambda path: _info_fault(path, partition),
    }
    for name, check in checks.items():
        if not (ext / name).exists():
            yield f"{ext / name}: is missing; prepare the corpus again"
            continue
        try:
            fault = check(ext / name)
        except (UserError, OSError, UnicodeDecodeError) as error:
            yield str(error)
        else:
            if fault:
                yield f"{ext / name}: {fault}"


def _second_column(path: Path) -> list[str]:
    return [line.split()[-1] for line in read_lines(path) if line.strip()]


def _lm_fault(path: Path, symbols: Collection[str]) -> str | None:
    same = set(arpa_tokens(read_arpa(path))) == set(symbols)
    return None if same else "is a model of other symbols than token2id.txt has"


def _lacking(there: Collection[str], utterance_ids: Collection[str]) -> str | None:
    lacking = [name for name in utterance_ids if name not in there]
    return f"lacks {len(lacking)} utterances: {name_utterances(lacking)}" if lacking else None


def _info_fault(path: Path, partition: Partition) -> str | None:
    fields = (line.split() for line in read_lines(path))
    info = {row[0]: row[-1] for row in fields if row}
    for name, value in (("num_utterances", len(partition)), ("total_frames", int(partition.frame_offsets[-1]))):
        if info.get(name) != str(value):
            return f"{name} is {info.get(name)}, but the partition has {value}"
    return None
