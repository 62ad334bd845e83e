"""Folder `ext` beside the partitions: symbols, language model, transcripts, speakers and counts of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from cnn_mellin.atomic import atomic_file
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.labelling import Labelling
from cnn_mellin.data.partition_counts import count_partition
from cnn_mellin.errors import SettingsError
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.formats.transcripts import write_ctm, write_stm, write_trn
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney, write_arpa
from cnn_mellin.language_models.arpa import Ngrams

__all__ = ["estimate_language_model", "part_perplexities", "require_order", "write_ext_folder"]


def estimate_language_model(utterances: Sequence[Utterance], labelling: Labelling, order: int = 3) -> Ngrams:
    """Estimate an n-gram model of the training symbols; equal transcripts are counted once.

    Args:
        utterances: utterances of the training partition.
        labelling: mapping from labels to symbols.
        order: number of symbols in the longest n-gram.

    Raises:
        SettingsError: `order` is below 1.
    """
    require_order(order)
    transcripts = sorted({tuple(labelling.trained_symbols(utterance.labels)) for utterance in utterances})
    return estimate_kneser_ney(transcripts, labelling.symbols, order)


def require_order(order: int) -> None:
    """Raise a SettingsError unless the order of a language model is at least 1."""
    if order < 1:
        raise SettingsError(f"lm_order is {order}; it must be at least 1")


def part_perplexities(
    ngrams: Ngrams, parts: Mapping[str, Sequence[Utterance]], labelling: Labelling
) -> dict[str, float]:
    """Perplexity of each partition, including ends of sentences."""
    model = NgramModel(ngrams, labelling.symbols)
    return {
        partition: model.perplexity(labelling.trained_symbols(utterance.labels) for utterance in utterances)
        for partition, utterances in parts.items()
    }


def write_ext_folder(
    folder: Path,
    parts: Mapping[str, Sequence[Utterance]],
    labelling: Labelling,
    ngrams: Ngrams,
    sample_rate_hz: int,
) -> None:
    """Write the files that all partitions of a data directory share, each as a whole or not at all.

    Args:
        folder: data directory; it must hold the partitions already.
        parts: partition name -> utterances.
        labelling: mapping from labels to symbols.
        ngrams: language model of the training symbols.
        sample_rate_hz: sample rate that phones refer to whose utterances do not say.
    """
    ext = folder / "ext"
    write_symbols(ext, labelling.symbols)
    write_folding(ext, folded=labelling.is_folded)
    write_arpa(ext / "lm.arpa.gz", ngrams)
    everyone = {utterance.utterance_id: utterance for utterances in parts.values() for utterance in utterances}
    speakers = {utterance.speaker: utterance for utterance in everyone.values()}
    _write_table(ext / "utt2spk", ((name, utterance.speaker) for name, utterance in everyone.items()))
    for name, known in (
        ("spk2gender", {speaker: utterance.gender for speaker, utterance in speakers.items()}),
        ("spk2dialect", {speaker: utterance.dialect for speaker, utterance in speakers.items()}),
    ):
        if all(known.values()):
            _write_table(ext / name, known.items())
    for partition, utterances in parts.items():
        write_trn(
            ext / f"{partition}.ref.trn", {u.utterance_id: labelling.scored_symbols(u.labels) for u in utterances}
        )
        if all(utterance.phones for utterance in utterances):
            _write_times(ext, partition, utterances, labelling, sample_rate_hz)
        counts = count_partition(folder / partition)
        of_class = np.zeros(len(labelling.symbols), np.int64)
        of_class[: len(counts.of_class)] = counts.of_class
        info = {
            "num_utterances": counts.num_utterances,
            "total_frames": counts.num_frames,
            "num_filts": counts.num_coefficients,
            "max_ref_class": len(counts.of_class) - 1,
            **{f"count_{i}": int(count) for i, count in enumerate(of_class)},
        }
        _write_table(ext / f"{partition}.info.ark", ((name, str(value)) for name, value in info.items()))


def _write_table(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    with atomic_file(path) as file:
        file.writelines(f"{key} {value}\n" for key, value in rows)


def _write_times(
    ext: Path, partition: str, utterances: Sequence[Utterance], labelling: Labelling, sample_rate_hz: int
) -> None:
    """Write the references with their times, as ctm and stm."""
    rates_hz = {utterance.utterance_id: utterance.sample_rate_hz or sample_rate_hz for utterance in utterances}
    segments: dict[str, list[tuple[float, float, str]]] = {}
    for utterance in utterances:
        hz = rates_hz[utterance.utterance_id]
        segments[utterance.utterance_id] = [
            (phone.first_sample / hz, phone.end_sample / hz, symbol)
            for phone in utterance.phones
            for symbol in labelling.scored_symbols([phone.symbol])
        ]
    write_ctm(ext / f"{partition}.ref.ctm", segments)
    write_stm(
        ext / f"{partition}.ref.stm",
        {
            utterance.utterance_id: (
                utterance.speaker,
                utterance.phones[-1].end_sample / rates_hz[utterance.utterance_id],
                [symbol for _, _, symbol in segments[utterance.utterance_id]],
            )
            for utterance in utterances
        },
    )
