"""`cnn-mellin decode`: recognise the utterances of a partition."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.cli.decoder_settings import decoder_settings
from cnn_mellin.cli.model_input import open_model_partition
from cnn_mellin.data.logits_folder import read_logits
from cnn_mellin.data.partition import Partition
from cnn_mellin.data.tensor_files import open_partition
from cnn_mellin.decoding.n_best import write_n_best
from cnn_mellin.decoding.recognition import Recognition, recognise
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.formats.transcripts import write_ctm, write_trn
from cnn_mellin.language_models import NgramModel
from cnn_mellin.output_place import require_output_file
from cnn_mellin.training import load_model
from cnn_mellin.training.evaluation import partition_logits
from cnn_mellin.utterance_names import name_utterances

__all__ = ["run"]

Batch = tuple[list[str], torch.Tensor, torch.Tensor]


def run(arguments: argparse.Namespace) -> int:
    """Decode the partition with all decoding options."""
    settings = decoder_settings(arguments)
    shift = arguments.frame_shift_ms
    if shift is not None and not 0 < shift < float("inf"):
        raise SettingsError(f"--frame-shift-ms {shift}: must be above 0")
    single = len(settings) == 1
    name = Path(arguments.partition).name
    paths = [arguments.out if single else arguments.out / f"{name}.{setting.name}.trn" for setting in settings]
    _require_writable(arguments, paths)
    device = compute_device(arguments)
    read = _from_logits if (Path(arguments.model_dir) / "partition.json").exists() else _from_model
    source = read(arguments, device)
    partition, symbols = source.partition, source.symbols
    frame_s = _frame_s(arguments, source) if arguments.ctm else 0.0
    language_model = None
    if any(setting.lm_weight for setting in settings):
        arpa = arguments.lm or partition.path.parent / "ext" / "lm.arpa.gz"
        language_model = NgramModel.from_arpa(arpa, symbols)
    (arguments.out.parent if single else arguments.out).mkdir(parents=True, exist_ok=True)
    batches = []
    with tqdm(total=len(partition), desc="logits", unit="utt", disable=arguments.quiet or None) as progress:
        for batch in source.batches:
            batches.append(batch)
            progress.update(len(batch[0]))
    shown = tqdm(settings, "decode", unit="setting", disable=arguments.quiet or single or None)
    for setting, path in zip(shown, paths, strict=True):
        found = recognise(batches, setting, language_model, num_best=arguments.num_best, with_segments=arguments.ctm)
        _write(path, found, symbols, frame_s, ctm=arguments.ctm, n_best=arguments.num_best > 1)
        empty = [name for name, recognition in found.items() if not recognition.classes]
        with tqdm.external_write_mode():
            named = f": {name_utterances(empty)}" if empty else ""
            print(f"{path}: {len(found)} utterances ({setting.name}), {len(empty)} of them empty{named}")
    return 0


def _require_writable(arguments: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Check every file that will be written, before anything is computed."""
    inputs = (arguments.model_dir, arguments.partition, arguments.lm)
    for path in paths:
        require_output_file(path, "trn", *inputs)
        if arguments.ctm:
            require_output_file(path.with_suffix(".ctm"), "ctm", *inputs)
        if arguments.num_best > 1:
            require_output_file(path.with_suffix(".jsonl"), "n_best", *inputs)


@dataclass(frozen=True)
class _Source:
    """A partition to decode.

    Args:
        partition: utterances to recognise.
        symbols: symbols of the classes, without the blank.
        frame_shift_ms: milliseconds between input frames; None if neither data nor model hold it.
        stride: number of input frames per output frame.
        batches: batches of utterance ids, logits and lengths.
    """

    partition: Partition
    symbols: Sequence[str]
    frame_shift_ms: float | None
    stride: int
    batches: Iterator[Batch]


def _frame_s(arguments: argparse.Namespace, source: _Source) -> float:
    """Seconds between output frames."""
    known, given = source.frame_shift_ms, arguments.frame_shift_ms
    if known is None and given is None:
        raise SettingsError(
            f"--ctm: {source.partition.path} does not hold the frame shift, which times need; pass --frame-shift-ms MS"
        )
    if None not in (known, given) and known != given:
        raise SettingsError(f"--frame-shift-ms {given:g}: {source.partition.path} has {known:g}; leave the option out")
    return source.stride * float(known or given) / 1000


def _from_logits(arguments: argparse.Namespace, _device: torch.device) -> _Source:
    """Logits computed before, which must be of the partition's utterances."""
    if arguments.epoch is not None:
        raise SettingsError(
            f"--epoch {arguments.epoch}: {arguments.model_dir} holds logits of one epoch already; leave it out"
        )
    logits = read_logits(arguments.model_dir)
    partition = open_partition(arguments.partition)
    here, there = set(logits.partition.utterance_ids), set(partition.utterance_ids)
    for what, names in (("lacks", there - here), ("has", here - there)):
        if names:
            other = "of" if what == "lacks" else "that are not in"
            listed = name_utterances(sorted(names))
            raise DataError(f"{arguments.model_dir}: {what} {len(names)} utterances {other} {partition.path}: {listed}")
    return _Source(partition, logits.symbols, logits.frame_shift_ms, 1, logits.batches())


def _from_model(arguments: argparse.Namespace, device: torch.device) -> _Source:
    """Logits that a model computes."""
    model, description = load_model(arguments.model_dir, epoch=arguments.epoch, device=device)
    partition = open_model_partition(arguments.partition, arguments.model_dir, description)
    stride = description.as_settings().model.window_stride
    shift = partition.description.frame_shift_ms or description.frame_shift_ms
    return _Source(partition, description.symbols, shift, stride, partition_logits(model, partition))


def _write(
    path: Path,
    found: dict[str, Recognition],
    symbols: Sequence[str],
    frame_s: float,
    *,
    ctm: bool,
    n_best: bool,
) -> None:
    """Write the trn file, and the ctm file and N-best lists if wanted."""
    write_trn(path, {name: [symbols[c] for c in recognition.classes] for name, recognition in found.items()})
    if ctm:
        times = {
            name: [(first * frame_s, end * frame_s, symbols[c]) for c, first, end in recognition.segments]
            for name, recognition in found.items()
        }
        write_ctm(path.with_suffix(".ctm"), times)
    if n_best:
        lists = {
            name: [([symbols[c] for c in classes], score) for classes, score in recognition.n_best]
            for name, recognition in found.items()
        }
        write_n_best(path.with_suffix(".jsonl"), lists)
