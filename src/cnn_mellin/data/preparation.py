"""Preparation of data directories from the utterances of a corpus."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin import __version__
from cnn_mellin.atomic import delete_leftovers
from cnn_mellin.audio.recording import Conversion
from cnn_mellin.audio.resampling import resampler
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.checked_audio import CheckedAudio
from cnn_mellin.data.corpus_check import CorpusCheck, require_labels_inside, sample_digest
from cnn_mellin.data.corpus_warnings import corpus_warnings
from cnn_mellin.data.ext_folder import estimate_language_model, part_perplexities, require_order, write_ext_folder
from cnn_mellin.data.faulty_utterances import LeaveOut, require_few_faults
from cnn_mellin.data.labelling import Labelling, timit_labelling
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_counts import count_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import require_partition_replaceable, write_partition
from cnn_mellin.data.speed_copies import require_speeds, with_speed_copies
from cnn_mellin.errors import AudioError, CorpusError, DataError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.feature_name import feature_name
from cnn_mellin.formats.identifier import require_identifier

__all__ = ["PreparedPartition", "frame_references", "num_cores", "prepare", "prepare_timit"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedPartition:
    """Partition that `prepare` wrote or found up to date.

    Args:
        path: folder of the partition.
        num_utterances, num_frames: number of utterances and frames.
        computed: False if it existed already, from the same corpus and settings.
        perplexity: perplexity of its references under the language model of the training partition.
        faults: faults of the utterances that were left out.
        changes: phrases that say how many recordings were resampled or mixed down.
    """

    path: Path
    num_utterances: int
    num_frames: int
    computed: bool
    perplexity: float | None = None
    faults: tuple[Fault, ...] = ()
    changes: tuple[str, ...] = ()


def prepare_timit(
    parts: Mapping[str, Sequence[Utterance]],
    data: str | Path,
    feature_types: Sequence[str],
    *,
    num_phones: int = 48,
    speeds: Sequence[float] = (),
    jobs: int | None = None,
    quiet: bool = True,
) -> list[PreparedPartition]:
    """Call `prepare` for utterances with TIMIT's labels, folded to a set of 61, 60, 48 or 39 phones."""
    return prepare(parts, data, feature_types, timit_labelling(num_phones), speeds=speeds, jobs=jobs, quiet=quiet)


def prepare(
    parts: Mapping[str, Sequence[Utterance]],
    data: str | Path,
    feature_types: Sequence[str],
    labelling: Labelling,
    *,
    conversion: Conversion | None = None,
    faults: Sequence[Fault] = (),
    leave_out_damaged: LeaveOut | None = None,
    check: bool = False,
    lm_order: int = 3,
    speeds: Sequence[float] = (),
    jobs: int | None = None,
    quiet: bool = True,
) -> list[PreparedPartition]:
    """Write a partition for each feature type and each partition of a corpus, as a whole or not at all.

    All audio is checked before anything is written. What is known of a file is recorded in the user's cache folder, so
    that its samples are not read again for this until its size, times or inode change. An existing partition with the
    same samples, labels, settings and version is kept unchanged. The log warns about what `corpus_warnings` finds.

    Args:
        parts: partition name -> utterances; one of them must be `train`.
        data: folder for the data directories; partitions are written to `data/FEATURE_TYPE/PARTITION`.
        feature_types: feature types, such as fbank-81-10ms or raw, or files NAME.json.
        labelling: mapping from labels to symbols.
        conversion: changes that recordings may undergo, such as resampling; by default none.
        faults: faults of utterances that were found when the corpus was read.
        leave_out_damaged: maximum of faulty utterances to leave out; by default any fault is an error.
        check: read all audio, even if its files have not changed since they were read.
        lm_order: order of the language model of the training symbols, 3 for a trigram.
        speeds: speeds of copies of the training utterances, which are added to them (`with_speed_copies`).
        jobs: number of utterances to compute in parallel; by default one per core.
        quiet: show no progress bar.

    Raises:
        SettingsError: a feature type is unknown, the sample rates of feature types differ, `lm_order` is below 1, or
            a speed is out of bounds.
        DataError: a partition is empty, its name breaks the rule for identifiers, or its folder exists and holds
            something that `prepare` did not write.
        CorpusError: audio is damaged, has another sample rate or several channels, or is too short for its labels.
        FaultyCorpusError: there are several such faults, or more than may be left out; it holds all of them.
    """
    require_order(lm_order)
    require_speeds(speeds)
    extractors = _extractors(feature_types)
    for partition, utterances in parts.items():
        require_identifier(partition, "partition")
        if not utterances:
            raise DataError(f"partition {partition} has no utterance; each partition needs at least one")
    for name, extractor in extractors.items():
        about = PartitionDescription(extractor.num_coefficients, extractor.frame_shift_ms, name, {"corpus": ""})
        for partition in parts:
            require_partition_replaceable(Path(data) / name / partition, about)
        if (Path(data) / name / "ext" / "utt2rate").exists():
            raise DataError(f"{Path(data) / name}: holds partitions that cnn-mellin speed wrote; name another folder")
    work = CorpusCheck(extractors, conversion or Conversion(), jobs or num_cores(), quiet)
    audio: dict[str, CheckedAudio] = {}
    faulty: dict[str, list[Fault]] = {}
    for partition, utterances in parts.items():
        faulty[partition] = work.run(Path(data) / partition, utterances, faults, audio, anew=check)
    require_few_faults(
        faulty, {partition: len(utterances) for partition, utterances in parts.items()}, leave_out_damaged
    )
    parts = {
        partition: [_with_sample_rate(u, audio, work.sample_rate_hz) for u in utterances if u.utterance_id in audio]
        for partition, utterances in parts.items()
    }
    durations = {name: checked.duration_s for name, checked in audio.items()}
    for line in corpus_warnings(parts, durations, labelling):
        _LOGGER.warning(line)
    ngrams = estimate_language_model(parts["train"], labelling, lm_order)
    perplexities = part_perplexities(ngrams, parts, labelling)
    parts = {**parts, "train": with_speed_copies(parts["train"], speeds, audio)}
    prepared = []
    with _no_empty_folders([Path(data) / name for name in extractors]):
        for partition, utterances in parts.items():
            preparation = _PartitionPreparation(partition, utterances, labelling, work, audio, faulty[partition])
            computed = preparation.run(Path(data))
            for name in extractors:
                path = Path(data) / name / partition
                counts = count_partition(path)
                prepared.append(
                    PreparedPartition(
                        path,
                        counts.num_utterances,
                        counts.num_frames,
                        name in computed,
                        faults=tuple(faulty[partition]),
                        changes=tuple(preparation.changes()),
                    )
                )
        for name, extractor in extractors.items():
            with _unchanged_files_keep_their_time(Path(data) / name / "ext"):
                write_ext_folder(Path(data) / name, parts, labelling, ngrams, extractor.sample_rate_hz)
            for folder in (Path(data) / name, Path(data) / name / "ext"):
                delete_leftovers(folder)
    return [replace(result, perplexity=perplexities.get(result.path.name)) for result in prepared]


def frame_references(
    utterance: Utterance, num_samples: int, num_frames: int, labelling: Labelling, *, sample_rate_hz: int = 16000
) -> NDArray[np.int64]:
    """Class, first frame and end frame of each symbol of an utterance.

    Args:
        utterance: utterance with labels.
        num_samples, num_frames: length of its audio and of its features.
        labelling: mapping from labels to symbols.
        sample_rate_hz: sample rate of the audio; its labels may refer to another.

    Returns:
        (R, 3), with 0 <= first < end <= num_frames: a phone shorter than a frame still gets one frame. First and end
        are -1 if the utterance has no times.

    Raises:
        CorpusError: a label ends beyond the end of the audio.
    """
    if not utterance.phones:
        rows = [(labelling.classes[symbol], -1, -1) for symbol in labelling.trained_symbols(utterance.transcript)]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)
    require_labels_inside(utterance, num_samples, sample_rate_hz)
    length = num_samples * (utterance.sample_rate_hz or sample_rate_hz) / sample_rate_hz  # in samples of the labels
    rows = []
    for phone in utterance.phones:
        for symbol in labelling.trained_symbols([phone.symbol]):
            first = min(round(phone.first_sample * num_frames / length), num_frames - 1)
            end = min(max(round(phone.end_sample * num_frames / length), first + 1), num_frames)
            rows.append((labelling.classes[symbol], first, end))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


@dataclass(frozen=True)
class _PartitionPreparation:
    """Preparation of one partition for all feature types that are not up to date, in one pass over the audio."""

    partition: str
    utterances: Sequence[Utterance]
    labelling: Labelling
    work: CorpusCheck
    audio: Mapping[str, CheckedAudio]
    faults: Sequence[Fault]

    def run(self, data: Path) -> set[str]:
        """Write the partitions; returns the feature types that were computed."""
        source = self._source()
        descriptions = {name: self._description(name, source) for name in self.work.extractors}
        changed = {name: d for name, d in descriptions.items() if not _is_current(data / name / self.partition, d)}
        if changed:
            self._compute(data, changed)
        return set(changed)

    def changes(self) -> list[str]:
        """Phrases that say how many recordings were resampled or mixed down."""
        found = self._recordings()
        rates, channels = (
            Counter(audio.sample_rate_hz for audio in found),
            Counter(audio.num_channels for audio in found),
        )
        to_hz, channel = self.work.sample_rate_hz, self.work.conversion.channel
        done = "mixed down" if channel is None else f"of which channel {channel} was taken"
        return [
            *(f"{n} with {count} channels {done}" for count, n in sorted(channels.items()) if count > 1),
            *(
                f"{n} resampled from {hz} to {to_hz} Hz with {resampler()}"
                for hz, n in sorted(rates.items())
                if hz != to_hz
            ),
        ]

    def _recordings(self) -> list[CheckedAudio]:
        """Audio of the utterances, without their copies at other speeds."""
        return [self.audio[utterance.utterance_id] for utterance in self.utterances if utterance.speed == 1]

    def _compute(self, data: Path, descriptions: Mapping[str, PartitionDescription]) -> None:
        hz = self.work.sample_rate_hz

        def compute(utterance: Utterance) -> dict[str, tuple[NDArray[Any], NDArray[np.int64]]]:
            recording = self.work.read(utterance)
            if sample_digest(recording, hz) != self.audio[utterance.utterance_id].digest:
                why = "holds other samples than when it was checked; run the same command again with check=True"
                raise AudioError(utterance.audio_path, why)
            samples = recording.resampled(hz, speed=utterance.speed)
            return {name: self._features(name, utterance, samples) for name in descriptions}

        with contextlib.ExitStack() as stack:
            writers = {
                name: stack.enter_context(write_partition(data / name / self.partition, description))
                for name, description in descriptions.items()
            }
            results = self.work.map_features(f"prepare {self.partition}", compute, self.utterances)
            for utterance, computed in zip(self.utterances, results, strict=True):
                for name, (features, references) in computed.items():
                    try:
                        writers[name].add(utterance.utterance_id, features, references)
                    except DataError as error:
                        raise CorpusError(utterance.audio_path, None, str(error)) from None

    def _description(self, name: str, source: Mapping[str, Any]) -> PartitionDescription:
        extractor = self.work.extractors[name]
        about = {"configuration": extractor.configuration, "version": __version__, **self.labelling.source, **source}
        return PartitionDescription(extractor.num_coefficients, extractor.frame_shift_ms, name, about)

    def _source(self) -> dict[str, Any]:
        """Origin of the partition, without the features and symbols."""
        source: dict[str, Any] = {"corpus": self._corpus()}
        if self.work.conversion.allowed:
            found = self._recordings()
            source["conversion"] = self.work.conversion.allowed
            source["sample_rates_hz"] = _counted(audio.sample_rate_hz for audio in found)
            source["channels"] = _counted(audio.num_channels for audio in found)
        speeds = sorted({utterance.speed for utterance in self.utterances} - {1})
        if speeds:
            source["speeds"] = {"speeds": speeds, "resample": resampler()}
        if self.faults:
            source["left_out"] = {fault.utterance_id: fault.error.why for fault in self.faults}
        return source

    def _features(
        self, name: str, utterance: Utterance, samples: NDArray[np.float32]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        with torch.inference_mode():
            features = self.work.extractors[name](torch.from_numpy(samples)).numpy()
        if not len(features):
            raise AudioError(utterance.audio_path, f"{len(samples)} samples are too few for a frame of {name}")
        hz = self.work.sample_rate_hz
        return features, frame_references(utterance, len(samples), len(features), self.labelling, sample_rate_hz=hz)

    def _corpus(self) -> str:
        """Digest of ids, labels and samples, independent of the place and encoding of the audio files."""
        digest = hashlib.sha256()
        for utterance in self.utterances:
            phones = [(phone.symbol, phone.first_sample, phone.end_sample) for phone in utterance.phones]
            about = repr((utterance.utterance_id, phones, utterance.transcript)).encode()
            digest.update(about + self.audio[utterance.utterance_id].digest)
        return digest.hexdigest()


def _counted(values: Iterable[int]) -> dict[str, int]:
    """Number of times that each value occurs, by increasing value, for JSON."""
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _with_sample_rate(utterance: Utterance, audio: Mapping[str, CheckedAudio], sample_rate_hz: int) -> Utterance:
    """Utterance whose phones say which sample rate they refer to, if it is not that of the features."""
    own_hz = audio[utterance.utterance_id].sample_rate_hz
    if utterance.phones and utterance.sample_rate_hz is None and own_hz != sample_rate_hz:
        return replace(utterance, sample_rate_hz=own_hz)
    return utterance


def num_cores() -> int:
    """Number of cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _extractors(feature_types: Sequence[str]) -> dict[str, FeatureExtractor]:
    extractors = {feature_name(name): FeatureExtractor.load(name) for name in feature_types}
    sample_rates = sorted({extractor.sample_rate_hz for extractor in extractors.values()})
    if len(sample_rates) > 1:
        raise SettingsError(
            f"features {', '.join(feature_types)}: have sample rates of {sample_rates} Hz; prepare them one by one"
        )
    return extractors


def _is_current(path: Path, description: PartitionDescription) -> bool:
    """Return True if a folder holds a whole partition with this description.

    The files are always read in full, as a failing disk can damage them without changing their times.
    """
    try:
        return read_partition(path, verify="always").description == description
    except DataError:
        return False


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
