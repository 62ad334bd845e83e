"""`cnn-mellin data export --to`: partitions in the formats of other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cnn_mellin.cli.compute_device import compute_device
from cnn_mellin.corpora.kaldi import read_kaldi_parts
from cnn_mellin.corpora.lhotse import read_lhotse
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.exchange import export_corpus
from cnn_mellin.data.exchange.labelled_audio import Segment
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.verification import partitions_in
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.decoding.reference_alignment import align_references
from cnn_mellin.errors import DataError, SettingsError
from cnn_mellin.extras import require_packages
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.training import load_model

__all__ = ["export_partitions"]


def export_partitions(arguments: argparse.Namespace) -> int:
    """Export the partitions, and print how many utterances each has."""
    if arguments.form == "huggingface":
        require_packages("data export --to huggingface", ["huggingface"])
    if arguments.labels_only and arguments.recordings is not None:
        raise SettingsError(
            f"--labels-only: takes no audio, but --audio names {arguments.recordings}; give one of them"
        )
    if arguments.epoch is not None and arguments.model is None:
        raise SettingsError(f"--epoch {arguments.epoch}: is an epoch of a model; name it with --model")
    folders = partitions_in(arguments.source)
    parents = sorted({str(folder.absolute().parent) for folder in folders})
    if len(parents) > 1:
        why = f"holds {len(parents)} data directories, of different features: {', '.join(parents)}"
        raise DataError(f"{arguments.source}: {why}; name one of them")
    partitions = [read_partition(folder) for folder in folders]
    counts = export_corpus(
        partitions,
        arguments.target,
        arguments.form,
        recordings=_recordings(arguments.recordings),
        labels_only=arguments.labels_only,
        align=_aligner(arguments) if arguments.model is not None else None,
    )
    for name, count in counts.items():
        print(f"{arguments.target}: {name}: {count} utterances")
    return 0


def _recordings(corpus: str | None) -> dict[str, Utterance] | None:
    """Utterances of a corpus by their ids."""
    if corpus is None:
        return None
    path = Path(corpus)
    found: Mapping[str, Sequence[Utterance]]
    if not path.is_dir():
        found = read_table(path)
    elif any(path.glob("*recordings*.jsonl*")):
        found = read_lhotse(path)
    else:
        found = read_kaldi_parts(path)
    return {utterance.utterance_id: utterance for utterances in found.values() for utterance in utterances}


def _aligner(arguments: argparse.Namespace) -> Callable[[Partition], Mapping[str, Sequence[Segment]]]:
    """Function that aligns a partition with the model."""
    model, description = load_model(arguments.model, epoch=arguments.epoch, device=compute_device(arguments))

    def align(partition: Partition) -> Mapping[str, Sequence[Segment]]:
        if list(description.symbols) != list(read_symbols(partition.path.absolute().parent / "ext")):
            raise DataError(f"{arguments.model}: was trained on other symbols than those of {partition.path}")
        source = LogitSource.of_model(
            model,
            partition,
            description.symbols,
            frame_shift_ms=description.frame_shift_ms,
            trained_by=arguments.model,
        )
        return align_references(source, partition)

    return align
