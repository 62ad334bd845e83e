"""Export of prepared partitions, with their audio, to the formats of other programs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cnn_mellin.atomic import atomic_directory
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.exchange.huggingface_tables import write_huggingface
from cnn_mellin.data.exchange.kaldi_folders import write_kaldi
from cnn_mellin.data.exchange.labelled_audio import LabelledAudio, Segment, labelled_audio
from cnn_mellin.data.exchange.lhotse_manifests import write_lhotse
from cnn_mellin.data.exchange.text_grid_folders import write_text_grids
from cnn_mellin.data.partition import Partition
from cnn_mellin.errors import SettingsError, UserError
from cnn_mellin.formats.text_file import read_json

__all__ = ["FORMATS", "export_corpus"]

_MARKER = "export.json"


class _Write(Protocol):
    def __call__(self, partition: str, utterances: Iterable[LabelledAudio], folder: Path, final: Path) -> int:
        """Write a partition to `folder`, which later has the name `final`; returns the number of utterances."""


FORMATS: dict[str, _Write] = {
    "kaldi": write_kaldi,
    "lhotse": write_lhotse,
    "textgrid": write_text_grids,
    "huggingface": write_huggingface,
}


def export_corpus(
    partitions: Sequence[Partition],
    out: str | Path,
    form: str,
    *,
    recordings: Mapping[str, Utterance] | None = None,
    labels_only: bool = False,
    align: Callable[[Partition], Mapping[str, Sequence[Segment]]] | None = None,
) -> dict[str, int]:
    """Write partitions in another program's format, as a whole or not at all.

    Args:
        partitions: partitions of one data directory, with the folder ext beside them.
        out: folder to write; an older export is replaced.
        form: kaldi, lhotse, textgrid or huggingface.
        recordings: utterance -> where it is recorded. Kaldi and Lhotse then name these files, the others hold copies.
            By default, the partition of raw audio beside each partition gives the samples, which are written as WAV.
        labels_only: leave audio out.
        align: function that returns a model's alignment of a partition, utterance -> symbols with times in seconds.

    Returns:
        Partition -> number of utterances.

    Raises:
        SettingsError: the format is unknown.
        DataError: the folder ext or the audio is missing, or `out` exists and is not an export.
        AudioError: a recording cannot be read.
        MissingPackageError: huggingface needs pyarrow, which is not installed.
    """
    if form not in FORMATS:
        raise SettingsError(f"form {form}: must be one of {', '.join(FORMATS)}")
    final, counts = Path(os.path.realpath(out)), {}
    with atomic_directory(out, what="folder that cnn-mellin data export wrote", is_own=_is_own) as folder:
        for partition in partitions:
            utterances = labelled_audio(
                partition,
                recordings=recordings,
                labels_only=labels_only,
                alignments=align(partition) if align is not None else None,
            )
            name = partition.path.absolute().name
            counts[name] = FORMATS[form](name, utterances, folder, final)
        (folder / _MARKER).write_text(json.dumps({"exported to": form}) + "\n", encoding="utf-8")
    return counts


def _is_own(folder: Path) -> bool:
    try:
        return read_json(folder / _MARKER).get("exported to") in FORMATS
    except UserError:
        return False
