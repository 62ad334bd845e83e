"""Corpora that the command line names, for `prep` and `speed`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.fsdd import read_fsdd
from cnn_mellin.corpora.huggingface import Columns, read_huggingface
from cnn_mellin.corpora.kaldi import read_kaldi_parts
from cnn_mellin.corpora.lhotse import read_lhotse
from cnn_mellin.corpora.speechocean762 import read_speechocean762
from cnn_mellin.corpora.table import read_table
from cnn_mellin.corpora.text_grids import read_text_grids
from cnn_mellin.corpora.timit import read_timit
from cnn_mellin.corpora.timit_partitions import timit_partitions
from cnn_mellin.corpora.tusom2021 import read_tusom2021
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.corpora.voxangeles import read_voxangeles
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.identifier import require_identifier

__all__ = ["read_corpus"]


def read_corpus(arguments: argparse.Namespace, faults: list[Fault] | None = None) -> Mapping[str, Sequence[Utterance]]:
    """Read the corpus of a command line and split it into partitions.

    Args:
        arguments: arguments of the command line, with the kind of corpus and the options of that kind.
        faults: list to add faults of single utterances to, instead of an error at the first.

    Returns:
        Partition -> its utterances.
    """
    if arguments.corpus_kind == "timit":
        utterances = read_timit(arguments.corpus, resample=arguments.resample, faults=faults)
        return timit_partitions(
            utterances,
            partial=arguments.partial or bool(faults),  # damaged utterances cannot be counted, and are reported
            complete_test=arguments.complete_test,
            large_dev=arguments.large_dev,
            include_sa=arguments.include_sa,
        )
    if arguments.corpus_kind == "kaldi":
        folders = _partition_folders(arguments.parts)
        return read_kaldi_parts(arguments.corpus, folders, audio_root=arguments.audio_root, faults=faults)
    if arguments.corpus_kind == "textgrid":
        return read_text_grids(
            arguments.corpus,
            tiers=arguments.tiers,
            silences=arguments.silences,
            untimed=arguments.untimed,
            utterance_tier=arguments.utterance_tier,
            folders=_partition_folders(arguments.parts),
            table=arguments.speakers,
            names_from_paths=arguments.names_from_paths,
        )
    if arguments.corpus_kind == "lhotse":
        return read_lhotse(
            arguments.corpus,
            parts=_partition_folders(arguments.parts),
            alignment=arguments.alignment,
            silences=arguments.silences,
            audio_root=arguments.audio_root,
        )
    if arguments.corpus_kind == "huggingface":
        start, end = arguments.time_columns or (None, None)
        columns = Columns(
            audio=arguments.audio_column,
            transcript=arguments.transcript_column,
            speaker=arguments.speaker_column,
            utterance=arguments.id_column,
            start=start,
            end=end,
        )
        folder = arguments.audio_folder or Path(arguments.data) / "audio"
        return read_huggingface(arguments.corpus, folder, parts=_partition_folders(arguments.parts), columns=columns)
    if arguments.corpus_kind == "table":
        return read_table(arguments.corpus, faults=faults)
    return _known_corpus(arguments, faults)


def _known_corpus(arguments: argparse.Namespace, faults: list[Fault] | None) -> Mapping[str, Sequence[Utterance]]:
    """Read a corpus that is known by name."""
    corpus, partial = arguments.corpus, arguments.partial
    if arguments.corpus_kind == "speechocean762":
        adults, perceived = arguments.adults, arguments.perceived
        return read_speechocean762(corpus, adults=adults, perceived=perceived, partial=partial, faults=faults)
    if arguments.corpus_kind == "fsdd":
        return read_fsdd(corpus, official=arguments.official_split, partial=partial)
    if arguments.corpus_kind == "voxangeles":
        return read_voxangeles(corpus, partial=partial, faults=faults)
    return read_tusom2021(corpus, partial=partial)


def _partition_folders(pairs: Sequence[str]) -> dict[str, str]:
    """Partition -> folder; without a folder, the partition's own name."""
    folders: dict[str, str] = {}
    for pair in pairs:
        partition, _, folder = pair.partition("=")
        if partition in folders or not partition or partition == "ext":
            raise SettingsError(f"--parts {pair}: must be PARTITION=FOLDER, each partition once, as in dev=dev_clean")
        require_identifier(partition, "partition", "--parts", SettingsError)
        folders[partition] = folder or partition
    return folders
