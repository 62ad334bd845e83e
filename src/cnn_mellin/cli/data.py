"""`cnn-mellin data`: what data directories hold, whether they are right, and their conversion."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnn_mellin.data.summary import PartitionSummary

__all__ = ["add_parser"]

_HEADER: tuple[str, ...] = ("partition", "utterances", "hours", "frames", "of one", "symbols", "of one", "different")
_HEADER += ("features", "size", "fingerprint")


def add_parser(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("data", help="inspect, verify and convert data directories", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    info = actions.add_parser(
        "info",
        help="utterances, hours, frames, symbols, lengths",
        description="What partitions hold: utterances, hours, frames, symbols, the least, median and most of an "
        "utterance, features, size, and the first figures of the fingerprint.",
    )
    _add_paths(info)
    info.add_argument("--json", action="store_true", help="all figures as JSON")
    info.set_defaults(run=_info)
    verify = actions.add_parser(
        "verify",
        help="name every fault",
        description="Verify partitions strictly, and name every fault: each utterance has finite features and a "
        "reference, of the right shapes and types; 0 <= first < end <= frames where times are given; classes below "
        "the number of symbols; packed partitions are what was written (checksum), and the files of ext agree. "
        "Exit status 2 if there is a fault.",
    )
    _add_paths(verify)
    verify.set_defaults(run=_verify)
    plot = actions.add_parser(
        "plot",
        help="picture of one utterance",
        description="Draw one utterance as PNG: waveform (of --audio, or of the partition of raw audio that was "
        "prepared beside this one), features, and where phones begin.",
    )
    plot.add_argument("partition", metavar="PARTITION", help="folder of the partition")
    plot.add_argument("utterance", metavar="UTTERANCE", help="its id")
    plot.add_argument("out", metavar="OUT.png", help="file to write")
    plot.add_argument("--audio", metavar="FILE", help="its recording")
    plot.set_defaults(run=_plot)
    for name, convert, described in (
        ("export", _export, "packed partition -> a feat/UTT.pt and a ref/UTT.pt an utterance"),
        ("import", _import, "a feat/UTT.pt and a ref/UTT.pt an utterance -> packed partition"),
    ):
        action = actions.add_parser(name, help=described, description=described)
        action.add_argument("source", metavar="PARTITION", help="folder to read")
        action.add_argument(
            "target", metavar="OUT", help="folder to write; an older result of this command is replaced"
        )
        action.set_defaults(run=_convert, convert=convert)


def _add_paths(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="FOLDER", help="partitions, in either form, or folders that hold some"
    )


def _info(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from cnn_mellin.data.summary import summarise_partition
    from cnn_mellin.data.verification import partitions_in

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
    return 0


def _row(summary: PartitionSummary) -> tuple[str, ...]:
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
    from cnn_mellin.data.verification import find_faults, partitions_in

    num_faults = 0
    for path in (path for folder in arguments.paths for path in partitions_in(folder)):
        if not (path.parent / "ext").is_dir():
            print(f"cnn-mellin: {path}: no folder ext beside it, so classes have no upper bound", file=sys.stderr)
        of_path = 0
        for fault in find_faults(path):
            print(f"cnn-mellin: {' '.join(fault.split())}", file=sys.stderr)
            of_path += 1
        print(f"{path}: {'clean' if not of_path else f'{of_path} faults'}")
        num_faults += of_path
    return 2 if num_faults else 0


def _plot(arguments: argparse.Namespace) -> int:
    from cnn_mellin.audio.reading import read_audio
    from cnn_mellin.data.tensor_files import open_partition
    from cnn_mellin.errors import DataError
    from cnn_mellin.extras import require_packages
    from cnn_mellin.formats.symbols import read_symbols
    from cnn_mellin.output_place import require_output_file
    from cnn_mellin.report.figures.utterance import draw_utterance

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
    """Samples of an utterance in the partition of raw audio beside this one, if there is one."""
    from cnn_mellin.data.partition import read_partition
    from cnn_mellin.errors import DataError

    try:
        raw = read_partition(path.absolute().parent.parent / "raw" / path.absolute().name)
        return raw.features_of(raw.utterance_ids.index(utterance_id))[:, 0]
    except (DataError, ValueError):
        return None


def _convert(arguments: argparse.Namespace) -> int:
    """Convert, and say where the result is."""
    from cnn_mellin.output_place import require_apart

    require_apart(arguments.target, arguments.source, inside=False)
    print(f"{arguments.target}: {arguments.convert(arguments.source, arguments.target)} utterances")
    return 0


def _export(source: str, target: str) -> int:
    from cnn_mellin.data.partition import read_partition
    from cnn_mellin.data.tensor_files import write_tensor_files

    partition = read_partition(source)
    write_tensor_files(partition, target)
    return len(partition)


def _import(source: str, target: str) -> int:
    from cnn_mellin.data.partition import write_partition
    from cnn_mellin.data.tensor_files import read_tensor_files

    partition = read_tensor_files(source)
    with write_partition(target, partition.description) as writer:
        for i, utterance_id in enumerate(partition.utterance_ids):
            writer.add(utterance_id, partition.features_of(i), partition.reference_of(i))
    return len(partition)
