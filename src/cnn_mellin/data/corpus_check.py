"""Check of the audio of a corpus before features are computed: every file is read, and every fault is found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from tqdm import tqdm

from cnn_mellin.audio.recording import Conversion, Recording, read_mono
from cnn_mellin.bounded_map import bounded_map
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.checked_audio import AudioRecord, CheckedAudio
from cnn_mellin.errors import AudioError, CorpusError
from cnn_mellin.features import FeatureExtractor

__all__ = ["CorpusCheck", "require_labels_inside", "sample_digest"]

S = TypeVar("S")
T = TypeVar("T")

_TOLERATED_S = 0.1  # a label that ends up to this far beyond its audio is cut; beyond that, they do not belong together


def sample_digest(recording: Recording, sample_rate_hz: int) -> bytes:
    """Digest of a recording that will be resampled to a sample rate; its own sample rate counts only if it differs."""
    digest = hashlib.sha256(recording.samples.data)
    if recording.sample_rate_hz != sample_rate_hz:
        digest.update(f"{recording.sample_rate_hz} Hz".encode())
    return digest.digest()


def require_labels_inside(utterance: Utterance, num_samples: int, sample_rate_hz: int) -> None:
    """Check that the phones of an utterance end with its audio.

    Args:
        utterance: utterance whose phones may have times.
        num_samples, sample_rate_hz: length and sample rate of its audio.

    Raises:
        AudioError: a phone ends more than 0.1 s beyond the end of the audio.
    """
    label_hz = utterance.sample_rate_hz or sample_rate_hz
    for phone in utterance.phones:
        if phone.end_sample / label_hz > num_samples / sample_rate_hz + _TOLERATED_S:
            why = f"holds {num_samples} samples, but {phone.symbol} ends at {phone.end_sample}"
            if label_hz != sample_rate_hz:
                why += f" (sample rates are {sample_rate_hz} and {label_hz} Hz)"
            raise AudioError(utterance.audio_path, f"{why}; copy it again")


@dataclass(frozen=True)
class CorpusCheck:
    """Reading of a corpus's audio in parallel.

    Args:
        extractors: feature type -> extractor; all have the same sample rate.
        conversion: changes that recordings may undergo.
        num_workers: number of utterances to read in parallel.
        quiet: show no progress bar.
    """

    extractors: Mapping[str, FeatureExtractor]
    conversion: Conversion
    num_workers: int
    quiet: bool

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of all feature types."""
        return next(iter(self.extractors.values())).sample_rate_hz

    def run(
        self,
        place: Path,
        utterances: Sequence[Utterance],
        known: Sequence[Fault],
        audio: dict[str, CheckedAudio],
        *,
        anew: bool = False,
    ) -> list[Fault]:
        """Check the utterances of a partition.

        Args:
            place: folder that the partition is for, whose name is the partition's; it need not exist.
            utterances: utterances of the partition.
            known: faults that are known, of this and other partitions; these utterances are not read.
            audio: dictionary to add the audio of all utterances without a fault to, by their ids.
            anew: read all audio, even if its file has not changed since it was read for this place.

        Returns:
            Faults in the order of the utterances.
        """
        first = {fault.utterance_id: fault for fault in reversed(known)}
        faults = {u.utterance_id: first[u.utterance_id] for u in utterances if u.utterance_id in first}
        what = f"{os.path.realpath(place)}, {self.sample_rate_hz} Hz, {self.conversion}"
        with AudioRecord(what, anew=anew) as record:
            unread = []
            for utterance in utterances:
                if utterance.utterance_id in faults:
                    continue
                stored = record.entry(utterance)
                if stored is None:
                    unread.append(utterance)
                else:
                    audio[utterance.utterance_id] = stored
            for utterance, found in zip(unread, self.map(f"check {place.name}", self._checked, unread), strict=True):
                if isinstance(found, CorpusError):
                    faults[utterance.utterance_id] = Fault(utterance.utterance_id, found)
                else:
                    audio[utterance.utterance_id] = found
                    record.remember(utterance, found)
        for utterance in utterances:
            try:
                if utterance.utterance_id in audio:
                    self._require_fit(utterance, audio[utterance.utterance_id])
            except CorpusError as error:
                faults[utterance.utterance_id] = Fault(utterance.utterance_id, error)
                del audio[utterance.utterance_id]
        return [faults[utterance.utterance_id] for utterance in utterances if utterance.utterance_id in faults]

    def read(self, utterance: Utterance) -> Recording:
        """Read the audio of an utterance, at its own sample rate.

        Raises:
            AudioError: the audio is damaged, or needs a change that is not allowed.
        """
        return read_mono(
            utterance.audio_path,
            sample_rate_hz=self.sample_rate_hz,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            conversion=self.conversion,
        )

    def map(self, title: str, function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
        """Results of a function of an item in the order of the items, computed in parallel, each on one thread."""
        if not items:
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(self.num_workers) as pool:
                results: Iterable[T] = bounded_map(pool, function, items, ahead=4 * self.num_workers)
                yield from tqdm(results, title, len(items), unit="utt", disable=self.quiet or None)
        finally:
            torch.set_num_threads(threads)

    def map_features(self, title: str, function: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
        """Call `map` for a function that computes features.

        Each extractor first computes one signal on its own, so that several threads do not set up at once what torch
        and its libraries set up at their first call, or what extractors keep.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                for extractor in self.extractors.values():
                    extractor(torch.zeros(extractor.sample_rate_hz))
        finally:
            torch.set_num_threads(threads)
        yield from self.map(title, function, items)

    def _checked(self, utterance: Utterance) -> CheckedAudio | CorpusError:
        try:
            recording = self.read(utterance)
        except CorpusError as error:
            return error
        digest = sample_digest(recording, self.sample_rate_hz)
        return CheckedAudio(digest, len(recording.samples), recording.sample_rate_hz, recording.num_channels)

    def _require_fit(self, utterance: Utterance, audio: CheckedAudio) -> None:
        """Raise an AudioError if the audio is too short for a frame or for the labels."""
        num_samples = round(audio.num_samples * self.sample_rate_hz / audio.sample_rate_hz)
        for name, extractor in self.extractors.items():
            if not extractor.num_frames(num_samples):
                raise AudioError(utterance.audio_path, f"{num_samples} samples are too few for a frame of {name}")
        require_labels_inside(utterance, audio.num_samples, audio.sample_rate_hz)
