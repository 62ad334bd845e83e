"""From the utterances of a corpus to data directories."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin import __version__
from cnn_mellin.atomic import atomic_file
from cnn_mellin.bounded_map import bounded_map
from cnn_mellin.corpora.phone_sets import fold_phones, folding_to, phone_set
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.partition import PartitionDescription, read_partition, write_partition
from cnn_mellin.data.symbols import write_symbols
from cnn_mellin.errors import AudioError, CorpusError, DataError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.features.audio import read_audio
from cnn_mellin.language_models import estimate_kneser_ney, write_arpa
from cnn_mellin.scoring.transcripts import write_trn

__all__ = ["PreparedPartition", "prepare_timit"]

# Where a label ends past its audio by up to this much it is cut there; by more, label and audio are not of one pair.
_TOLERATED_SAMPLES = 1600


@dataclass(frozen=True)
class PreparedPartition:
    """What became of a partition.

    Args:
        path: the folder.
        num_utterances, num_frames: in it.
        computed: false where it was there already, from the same corpus and settings.
    """

    path: Path
    num_utterances: int
    num_frames: int
    computed: bool


def prepare_timit(
    parts: Mapping[str, Sequence[Utterance]],
    data: str | Path,
    feature_types: Sequence[str],
    *,
    num_phones: int = 48,
    jobs: int | None = None,
    quiet: bool = True,
) -> list[PreparedPartition]:
    """Write a data directory for each feature type and part, whole or not at all.

    A partition that is there already, of the same corpus, settings and version, is left alone.

    Args:
        parts: name -> utterances.
        data: folder; partitions are `data/FEATURE_TYPE/PART`.
        feature_types: such as fbank-81-10ms or raw.
        num_phones: phone set of the references: 61, 60, 48 or 39.
        jobs: utterances computed at once; by default one a core.
        quiet: show no progress bar.

    Raises:
        SettingsError: a feature type is not known.
        DataError: a part is empty.
        CorpusError: audio is damaged, or too short for its labels.
    """
    extractors = {name: FeatureExtractor.named(name) for name in feature_types}
    for part, utterances in parts.items():
        if not utterances:
            raise DataError(f"part {part} has no utterance; a corpus needs speakers in TRAIN and two or more in TEST")
    prepared = []
    for part, utterances in parts.items():
        corpus = _fingerprint(utterances)
        descriptions = {}
        for name, extractor in extractors.items():
            source = {
                "configuration": extractor.configuration,
                "corpus": corpus,
                "phones": num_phones,
                "version": __version__,
            }
            description = PartitionDescription(extractor.num_coefficients, extractor.frame_shift_ms, name, source)
            if not _is_there(Path(data) / name / part, description):
                descriptions[name] = description
        _write_part(utterances, part, Path(data), extractors, descriptions, num_phones, jobs, quiet)
        for name in extractors:
            partition = read_partition(Path(data) / name / part)
            count = int(partition.frame_offsets[-1])
            prepared.append(PreparedPartition(partition.path, len(partition), count, name in descriptions))
    for name, extractor in extractors.items():
        _write_ext(Path(data) / name, parts, num_phones, extractor)
    return prepared


def frame_references(
    utterance: Utterance, num_samples: int, num_frames: int, classes: Mapping[str, int], num_phones: int
) -> NDArray[np.int64]:
    """Class, first and end frame of each phone.

    Args:
        utterance: its phones.
        num_samples, num_frames: length of its audio and of its features.
        classes: symbol -> class.
        num_phones: phone set of the symbols.

    Returns:
        (R, 3), with 0 <= first < end <= num_frames: a phone shorter than a frame still has one.

    Raises:
        CorpusError: a label ends past the audio.
    """
    folding = folding_to(num_phones)
    rows = []
    for phone in utterance.phones:
        if phone.end_sample > num_samples + _TOLERATED_SAMPLES:
            why = f"holds {num_samples} samples, but {phone.symbol} ends at {phone.end_sample}; copy it again"
            raise AudioError(utterance.audio_path, why)
        symbol = folding[phone.symbol]
        if symbol is None:
            continue
        first = min(round(phone.first_sample * num_frames / num_samples), num_frames - 1)
        end = min(max(round(phone.end_sample * num_frames / num_samples), first + 1), num_frames)
        rows.append((classes[symbol], first, end))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _fingerprint(utterances: Sequence[Utterance]) -> str:
    """Of what the utterances are, and of the size and time of change of their audio."""
    digest = hashlib.sha256()
    for utterance in utterances:
        try:
            status = utterance.audio_path.stat()
        except OSError as error:
            raise AudioError(utterance.audio_path, f"cannot be read ({error.strerror})") from None
        phones = [(phone.symbol, phone.first_sample, phone.end_sample) for phone in utterance.phones]
        digest.update(repr((utterance.utterance_id, phones, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _is_there(path: Path, description: PartitionDescription) -> bool:
    try:
        return read_partition(path).description == description
    except DataError:
        return False


def _write_part(
    utterances: Sequence[Utterance],
    part: str,
    data: Path,
    extractors: Mapping[str, FeatureExtractor],
    descriptions: Mapping[str, PartitionDescription],
    num_phones: int,
    jobs: int | None,
    quiet: bool,
) -> None:
    """One pass over the audio for all feature types that `descriptions` names."""
    from tqdm import tqdm

    if not descriptions:
        return
    classes = {symbol: i for i, symbol in enumerate(phone_set(num_phones))}

    def compute(utterance: Utterance) -> dict[str, tuple[NDArray[Any], NDArray[np.int64]]]:
        samples = read_audio(utterance.audio_path)
        results = {}
        for name in descriptions:
            with torch.inference_mode():
                features = extractors[name](torch.from_numpy(samples)).numpy()
            if not len(features):
                raise AudioError(utterance.audio_path, f"{len(samples)} samples are too short for a frame of {name}")
            results[name] = features, frame_references(utterance, len(samples), len(features), classes, num_phones)
        return results

    workers = jobs or os.cpu_count() or 1
    with contextlib.ExitStack() as stack:
        writers = {
            name: stack.enter_context(write_partition(data / name / part, d)) for name, d in descriptions.items()
        }
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        results = bounded_map(pool, compute, utterances, ahead=4 * workers)
        bar = tqdm(zip(utterances, results, strict=True), f"prepare {part}", len(utterances), unit="utt", disable=quiet)
        for utterance, computed in bar:
            for name, (features, references) in computed.items():
                try:
                    writers[name].add(utterance.utterance_id, features, references)
                except DataError as error:
                    raise CorpusError(utterance.audio_path, None, str(error)) from None


def _write_ext(
    folder: Path, parts: Mapping[str, Sequence[Utterance]], num_phones: int, extractor: FeatureExtractor
) -> None:
    """What belongs to all partitions: symbols, language model, transcripts of 39 phones, speakers and counts."""
    ext = folder / "ext"
    write_symbols(ext, phone_set(num_phones))
    _write_language_model(ext / "lm.arpa.gz", parts["train"], num_phones)
    everyone = {utterance.utterance_id: utterance for utterances in parts.values() for utterance in utterances}
    speakers = {utterance.speaker: utterance for utterance in everyone.values()}
    _write_table(ext / "utt2spk", {name: utterance.speaker for name, utterance in everyone.items()})
    _write_table(ext / "spk2gender", {name: utterance.gender for name, utterance in speakers.items()})
    _write_table(ext / "spk2dialect", {name: utterance.dialect for name, utterance in speakers.items()})
    for part, utterances in parts.items():
        transcripts = {u.utterance_id: fold_phones([phone.symbol for phone in u.phones], 39) for u in utterances}
        write_trn(ext / f"{part}.ref.trn", transcripts)
        _write_times(ext, part, utterances, extractor.sample_rate_hz)
        partition = read_partition(folder / part)
        counts = np.bincount(partition.references[:, 0], minlength=len(phone_set(num_phones)))
        info = {
            "num_utterances": len(partition),
            "total_frames": int(partition.frame_offsets[-1]),
            "num_filts": partition.num_coefficients,
            "max_ref_class": int(partition.references[:, 0].max(initial=-1)),
            **{f"count_{i}": int(count) for i, count in enumerate(counts)},
        }
        _write_table(ext / f"{part}.info.ark", {name: str(value) for name, value in info.items()})


def _write_language_model(path: Path, utterances: Sequence[Utterance], num_phones: int) -> None:
    """A trigram model of the training phones, equal transcripts counted once."""
    transcripts = [fold_phones([phone.symbol for phone in u.phones], num_phones) for u in utterances]
    write_arpa(path, estimate_kneser_ney(transcripts, phone_set(num_phones), order=3))


def _write_table(path: Path, rows: Mapping[str, str]) -> None:
    with atomic_file(path) as file:
        file.writelines(f"{key} {value}\n" for key, value in rows.items())


def _write_times(ext: Path, part: str, utterances: Sequence[Utterance], sample_rate_hz: int) -> None:
    """References with their times: NIST's ctm (a line a phone) and stm (a line an utterance)."""
    folding = folding_to(39)
    with atomic_file(ext / f"{part}.ref.ctm") as ctm, atomic_file(ext / f"{part}.ref.stm") as stm:
        for utterance in utterances:
            name, symbols = utterance.utterance_id, []
            for phone in utterance.phones:
                symbol = folding[phone.symbol]
                if symbol is not None:
                    first = phone.first_sample / sample_rate_hz
                    seconds = phone.end_sample / sample_rate_hz - first
                    ctm.write(f"{name} A {first:.4f} {seconds:.4f} {symbol}\n")
                    symbols.append(symbol)
            end = utterance.phones[-1].end_sample / sample_rate_hz
            stm.write(f"{name} A {utterance.speaker} 0.0000 {end:.4f} {' '.join(symbols)}\n")
