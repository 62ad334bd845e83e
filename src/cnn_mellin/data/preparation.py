"""Preparation of data directories from the utterances of a corpus."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from cnn_mellin import __version__
from cnn_mellin.atomic import delete_leftovers
from cnn_mellin.audio.reading import read_audio
from cnn_mellin.bounded_map import bounded_map
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.ext_folder import estimate_language_model, part_perplexities, write_ext_folder
from cnn_mellin.data.labelling import Labelling, timit_labelling
from cnn_mellin.data.partition import (
    PartitionDescription,
    count_partition,
    read_partition,
    require_partition_replaceable,
    write_partition,
)
from cnn_mellin.errors import AudioError, CorpusError, DataError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.identifier import require_identifier

__all__ = ["PreparedPartition", "prepare", "prepare_timit"]

T = TypeVar("T")

# A label that ends up to this far beyond its audio is cut at the end; beyond that, the two do not belong together.
_TOLERATED_SAMPLES = 1600


@dataclass(frozen=True)
class PreparedPartition:
    """Partition that `prepare` wrote or found up to date.

    Args:
        path: folder of the partition.
        num_utterances, num_frames: number of utterances and frames.
        computed: False if it existed already, from the same corpus and settings.
        perplexity: perplexity of its references under the language model of the training partition; None if the model
            has too many symbols to be unrolled.
    """

    path: Path
    num_utterances: int
    num_frames: int
    computed: bool
    perplexity: float | None = None


def prepare_timit(
    parts: Mapping[str, Sequence[Utterance]],
    data: str | Path,
    feature_types: Sequence[str],
    *,
    num_phones: int = 48,
    jobs: int | None = None,
    quiet: bool = True,
) -> list[PreparedPartition]:
    """Call `prepare` for utterances with TIMIT's labels, folded to a set of 61, 60, 48 or 39 phones."""
    return prepare(parts, data, feature_types, timit_labelling(num_phones), jobs=jobs, quiet=quiet)


def prepare(
    parts: Mapping[str, Sequence[Utterance]],
    data: str | Path,
    feature_types: Sequence[str],
    labelling: Labelling,
    *,
    jobs: int | None = None,
    quiet: bool = True,
) -> list[PreparedPartition]:
    """Write a partition for each feature type and each partition of a corpus, as a whole or not at all.

    An existing partition with the same samples, labels, settings and version is kept unchanged.

    Args:
        parts: partition name -> utterances; one of them must be `train`.
        data: folder for the data directories; partitions are written to `data/FEATURE_TYPE/PARTITION`.
        feature_types: feature types, such as fbank-81-10ms or raw, or files NAME.json.
        labelling: mapping from labels to symbols.
        jobs: number of utterances to compute in parallel; by default one per core.
        quiet: show no progress bar.

    Raises:
        SettingsError: a feature type is unknown, or the sample rates of feature types differ.
        DataError: a partition is empty, its name breaks the rule for identifiers, or its folder exists and holds
            something that `prepare` did not write.
        CorpusError: audio is damaged, has another sample rate, or is too short for its labels.
    """
    extractors = _extractors(feature_types)
    for partition, utterances in parts.items():
        require_identifier(partition, "partition")
        if not utterances:
            raise DataError(f"partition {partition} has no utterance; each partition needs at least one")
    preparations = {
        partition: _PartitionPreparation(partition, utterances, labelling, extractors, jobs or _num_cores(), quiet)
        for partition, utterances in parts.items()
    }
    for preparation in preparations.values():
        preparation.require_replaceable(Path(data))
    for name in extractors:
        if (Path(data) / name / "ext" / "utt2rate").exists():
            raise DataError(f"{Path(data) / name}: holds partitions that cnn-mellin speed wrote; name another folder")
    prepared = []
    with _no_empty_folders([Path(data) / name for name in extractors]):
        for partition, preparation in preparations.items():
            computed = preparation.run(Path(data))
            for name in extractors:
                path = Path(data) / name / partition
                counts = count_partition(path)
                prepared.append(PreparedPartition(path, counts.num_utterances, counts.num_frames, name in computed))
        ngrams = estimate_language_model(parts["train"], labelling)
        perplexities = part_perplexities(ngrams, parts, labelling) or {}
        for name, extractor in extractors.items():
            with _unchanged_files_keep_their_time(Path(data) / name / "ext"):
                write_ext_folder(Path(data) / name, parts, labelling, ngrams, extractor.sample_rate_hz)
            for folder in (Path(data) / name, Path(data) / name / "ext"):
                delete_leftovers(folder)
    return [replace(result, perplexity=perplexities.get(result.path.name)) for result in prepared]


def frame_references(
    utterance: Utterance, num_samples: int, num_frames: int, labelling: Labelling
) -> NDArray[np.int64]:
    """Class, first frame and end frame of each symbol of an utterance.

    Args:
        utterance: utterance with labels.
        num_samples, num_frames: length of its audio and of its features.
        labelling: mapping from labels to symbols.

    Returns:
        (R, 3), with 0 <= first < end <= num_frames: a phone shorter than a frame still gets one frame. First and end
        are -1 if the utterance has no times.

    Raises:
        CorpusError: a label ends beyond the end of the audio.
    """
    if not utterance.phones:
        rows = [(labelling.classes[symbol], -1, -1) for symbol in labelling.trained_symbols(utterance.transcript)]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)
    rows = []
    for phone in utterance.phones:
        if phone.end_sample > num_samples + _TOLERATED_SAMPLES:
            why = f"holds {num_samples} samples, but {phone.symbol} ends at {phone.end_sample}; copy it again"
            raise AudioError(utterance.audio_path, why)
        for symbol in labelling.trained_symbols([phone.symbol]):
            first = min(round(phone.first_sample * num_frames / num_samples), num_frames - 1)
            end = min(max(round(phone.end_sample * num_frames / num_samples), first + 1), num_frames)
            rows.append((labelling.classes[symbol], first, end))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


@dataclass(frozen=True)
class _PartitionPreparation:
    """Preparation of one partition for all feature types that are not up to date, in one pass over the audio."""

    partition: str
    utterances: Sequence[Utterance]
    labelling: Labelling
    extractors: Mapping[str, FeatureExtractor]
    workers: int
    quiet: bool

    def require_replaceable(self, data: Path) -> None:
        """Raise a DataError if a folder to write exists and does not hold a prepared partition."""
        for name in self.extractors:
            require_partition_replaceable(data / name / self.partition, self._description(name))

    def run(self, data: Path) -> set[str]:
        """Write the partitions; returns the feature types that were computed."""
        descriptions = {name: self._description(name) for name in self.extractors}
        stored = {name: _stored_corpus(data / name / self.partition, d) for name, d in descriptions.items()}
        if any(stored.values()):
            corpus = self._corpus(result for result in self._map("check", self._sample_digest))
            descriptions = {name: d for name, d in descriptions.items() if stored[name] != corpus}
        if descriptions:
            self._compute(data, descriptions)
        return set(descriptions)

    def _compute(self, data: Path, descriptions: Mapping[str, PartitionDescription]) -> None:
        def compute(utterance: Utterance) -> tuple[bytes, dict[str, tuple[NDArray[Any], NDArray[np.int64]]]]:
            samples = self._samples(utterance)
            return _digest(samples), {name: self._features(name, utterance, samples) for name in descriptions}

        with contextlib.ExitStack() as stack:
            writers = {
                name: stack.enter_context(write_partition(data / name / self.partition, description))
                for name, description in descriptions.items()
            }

            def write() -> Iterator[bytes]:
                results = self._map("prepare", compute)
                for utterance, (digest, computed) in zip(self.utterances, results, strict=True):
                    for name, (features, references) in computed.items():
                        try:
                            writers[name].add(utterance.utterance_id, features, references)
                        except DataError as error:
                            raise CorpusError(utterance.audio_path, None, str(error)) from None
                    yield digest

            corpus = self._corpus(write())
            for writer in writers.values():
                source = {**writer.description.source, "corpus": corpus}
                writer.description = replace(writer.description, source=source)

    def _description(self, name: str) -> PartitionDescription:
        extractor = self.extractors[name]
        source = {"configuration": extractor.configuration, "version": __version__, **self.labelling.source}
        return PartitionDescription(extractor.num_coefficients, extractor.frame_shift_ms, name, source)

    def _samples(self, utterance: Utterance) -> NDArray[np.float32]:
        hz = next(iter(self.extractors.values())).sample_rate_hz
        return read_audio(utterance.audio_path, sample_rate_hz=hz, start_s=utterance.start_s, end_s=utterance.end_s)

    def _sample_digest(self, utterance: Utterance) -> bytes:
        return _digest(self._samples(utterance))

    def _features(
        self, name: str, utterance: Utterance, samples: NDArray[np.float32]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        with torch.inference_mode():
            features = self.extractors[name](torch.from_numpy(samples)).numpy()
        if not len(features):
            raise AudioError(utterance.audio_path, f"{len(samples)} samples are too few for a frame of {name}")
        return features, frame_references(utterance, len(samples), len(features), self.labelling)

    def _map(self, verb: str, function: Callable[[Utterance], T]) -> Iterator[T]:
        """Results of a function in the order of the utterances, computed in parallel, each on one thread."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self.workers) as pool:
                results = bounded_map(pool, function, self.utterances, ahead=4 * self.workers)
                yield from tqdm(
                    results, f"{verb} {self.partition}", len(self.utterances), unit="utt", disable=self.quiet or None
                )
        finally:
            torch.set_num_threads(threads)

    def _corpus(self, sample_digests: Iterator[bytes]) -> str:
        """Digest of ids, labels and samples, independent of the place and encoding of the audio files."""
        digest = hashlib.sha256()
        for utterance, of_samples in zip(self.utterances, sample_digests, strict=True):
            phones = [(phone.symbol, phone.first_sample, phone.end_sample) for phone in utterance.phones]
            digest.update(repr((utterance.utterance_id, phones, utterance.transcript)).encode() + of_samples)
        return digest.hexdigest()


def _num_cores() -> int:
    """Number of cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _extractors(feature_types: Sequence[str]) -> dict[str, FeatureExtractor]:
    extractors = {}
    for name in feature_types:
        own = name.endswith(".json")
        extractors[Path(name).stem if own else name] = (
            FeatureExtractor.from_json(name) if own else FeatureExtractor.named(name)
        )
    sample_rates = sorted({extractor.sample_rate_hz for extractor in extractors.values()})
    if len(sample_rates) > 1:
        raise SettingsError(
            f"features {', '.join(feature_types)}: have sample rates of {sample_rates} Hz; prepare them one by one"
        )
    return extractors


def _digest(samples: NDArray[np.float32]) -> bytes:
    return hashlib.sha256(samples.data).digest()


def _stored_corpus(path: Path, description: PartitionDescription) -> str | None:
    """Digest of the corpus that a partition was computed from; None if it is damaged or has another description.

    The files are always read in full, as a failing disk can damage them without changing their times.
    """
    try:
        stored = read_partition(path, verify="always").description
    except DataError:
        return None
    corpus = str(stored.source.get("corpus", ""))
    same = replace(description, source={**description.source, "corpus": corpus}) == stored
    return corpus if same else None


@contextlib.contextmanager
def _no_empty_folders(folders: Sequence[Path]) -> Iterator[None]:
    """After a failure, delete the folders and their parents that are empty and did not exist before."""
    new = {above for folder in folders for above in (folder, *folder.parents) if not above.exists()}
    try:
        yield
    except BaseException:
        for folder in sorted(new, reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _unchanged_files_keep_their_time(folder: Path) -> Iterator[None]:
    """Keep the modification time of rewritten files with equal content, by which the recipe recognises large files."""
    before = {path: (_file_digest(path), path.stat().st_mtime_ns) for path in folder.glob("*") if path.is_file()}
    yield
    for path, (digest, time_ns) in before.items():
        if path.is_file() and _file_digest(path) == digest:
            os.utime(path, ns=(time_ns, time_ns))


def _file_digest(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
