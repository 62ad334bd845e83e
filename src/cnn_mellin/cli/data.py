"""`cnn-mellin data`: inspect, verify, plot and convert data directories."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.audio.reading import read_audio
from cnn_mellin.cli.data_export import export_partitions
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.summary import PartitionSummary, summarise_partition
from cnn_mellin.data.tensor_files import open_partition, read_tensor_files, write_tensor_files
from cnn_mellin.data.verification import find_faults, partitions_in
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.output_place import require_apart, require_output_file
from cnn_mellin.report.figures.utterance import draw_utterance
from cnn_mellin.utterance_names import name_utterances

__all__ = ["run"]

_LOGGER = logging.getLogger(__name__)

_HEADER: tuple[str, ...] = (
    "partition",
    "utterances",
    "hours",
    "frames",
    "per utt.",
    "symbols",
    "per utt.",
    "different",
)
_HEADER += ("features", "size", "fingerprint")


def run(arguments: argparse.Namespace) -> int:
    """Run the action that was chosen."""
    return _ACTIONS[arguments.action](arguments)


def _info(arguments: argparse.Namespace) -> int:
    """Print what the partitions hold."""
    summaries = [summarise_partition(path) for folder in arguments.paths for path in partitions_in(folder)]
    if arguments.json:
        print(json.dumps([asdict(summary) for summary in summaries], indent=1))
        return 0
    rows = [_row(summary) for summary in summaries]
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
    for row in (_HEADER, *rows):
        cells = [
            cell.rjust(w) if 0 < i < 8 else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    for summary in summaries:
        for line in _origin(summary):
            print(f"{summary.path}: {line}")
    return 0


def _origin(summary: PartitionSummary) -> list[str]:
    """Lines on copies at other speeds, utterances that were left out and recordings that were converted."""
    lines = [summary.speed_copies] if summary.speed_copies else []
    if summary.left_out:
        total = summary.num_utterances + len(summary.left_out)
        about = f"{len(summary.left_out)} of {total} utterances left out as damaged"
        lines.append(f"{about}: {name_utterances(list(summary.left_out))}")
    if summary.conversion:
        rates = ", ".join(f"{count} at {hz} Hz" for hz, count in summary.sample_rates_hz.items())
        allowed = ", ".join(
            name.replace("_", " ") if value is True else f"{name} {value}" for name, value in summary.conversion.items()
        )
        lines.append(f"recordings: {rates} (allowed: {allowed})")
    return lines


def _row(summary: PartitionSummary) -> tuple[str, ...]:
    """Cells of one partition in the table of `info`."""
    features = f"{summary.feature_type or '?'} ({summary.num_coefficients}"
    features += f" every {summary.frame_shift_ms:g} ms)" if summary.frame_shift_ms else ")"
    return (
        summary.path,
        str(summary.num_utterances),
        "?" if summary.hours is None else f"{summary.hours:.2f}",
        str(summary.num_frames),
        "{}/{:g}/{}".format(*summary.frame_lengths),
        str(summary.num_symbols),
        "{}/{:g}/{}".format(*summary.symbol_lengths),
        str(summary.num_classes),
        features,
        f"{summary.size_bytes / 1e6:.1f} MB",
        summary.digest[:12],
    )


def _verify(arguments: argparse.Namespace) -> int:
    """Print every fault, and per partition their number."""
    num_faults = 0
    for path in (path for folder in arguments.paths for path in partitions_in(folder)):
        if not (path.parent / "ext").is_dir():
            _LOGGER.warning("%s: there is no folder ext beside it, so classes have no upper bound", path)
        num_in_partition = 0
        for fault in find_faults(path):
            _LOGGER.warning(fault)
            num_in_partition += 1
        print(f"{path}: {f'{num_in_partition} faults' if num_in_partition else 'clean'}")
        num_faults += num_in_partition
    return 2 if num_faults else 0


def _plot(arguments: argparse.Namespace) -> int:
    """Plot one utterance."""
    require_packages("data plot", ["report"])
    partition = open_partition(arguments.partition)
    ext = partition.path.parent / "ext"
    symbols: Sequence[str] | None = read_symbols(ext) if ext.is_dir() else None
    if arguments.audio:
        samples: NDArray[np.float32] | None = read_audio(arguments.audio)
    else:
        samples = _raw_samples(partition.path, arguments.utterance)
    if Path(arguments.out).suffix != ".png":
        raise DataError(f"{arguments.out}: must end in .png")
    if not Path(arguments.out).absolute().parent.is_dir():
        raise DataError(f"{arguments.out}: its folder does not exist; make it first")
    require_output_file(arguments.out, "png", arguments.partition, arguments.audio)
    draw_utterance(partition, arguments.utterance, arguments.out, symbols=symbols, samples=samples)
    print(f"{arguments.out}: {arguments.utterance}{'' if samples is not None else ', no waveform (--audio)'}")
    return 0


def _raw_samples(path: Path, utterance_id: str) -> NDArray[np.float32] | None:
    """Samples of an utterance, from the partition of raw audio beside this one; None without such a partition."""
    try:
        raw = read_partition(path.absolute().parent.parent / "raw" / path.absolute().name)
        return raw.features_of(raw.utterance_ids.index(utterance_id))[:, 0]
    except (DataError, ValueError):
        return None


def _export(arguments: argparse.Namespace) -> int:
    """Convert packed partitions to tensor files, or to the format of another program."""
    require_apart(arguments.target, arguments.source, arguments.recordings, arguments.model, inside=False)
    if arguments.form != "tensors":
        return export_partitions(arguments)
    for option, value in (("--model", arguments.model), ("--audio", arguments.recordings)):
        if value is not None:
            raise SettingsError(f"{option} {value}: tensor files hold neither; name another format with --to")
    partition = read_partition(arguments.source)
    write_tensor_files(partition, arguments.target)
    print(f"{arguments.target}: {len(partition)} utterances")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    """Convert tensor files to a packed partition."""
    require_apart(arguments.target, arguments.source, inside=False)
    partition = read_tensor_files(arguments.source)
    with write_partition(arguments.target, partition.description) as writer:
        for i, utterance_id in enumerate(partition.utterance_ids):
            writer.add(utterance_id, partition.features_of(i), partition.reference_of(i))
    print(f"{arguments.target}: {len(partition)} utterances")
    return 0


_ACTIONS = {"info": _info, "verify": _verify, "plot": _plot, "export": _export, "import": _import}
