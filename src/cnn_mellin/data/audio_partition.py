"""Partition of audio: 16-bit samples in shards, from which a training computes its features.

The folder of the partition has a folder for each shard, `shard-0000` and so on, in the form of a partition whose
features are samples (int16, one per frame) and whose references have times in samples; and, once all shards are whole,
`audio.json`: the sample rate and the digest of each shard.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin.data.batch import Batch, make_batch
from cnn_mellin.data.content_statistics import magnitudes_of
from cnn_mellin.data.partition import Partition, Verify, read_partition
from cnn_mellin.data.partition_description import AUDIO, PartitionDescription
from cnn_mellin.data.subset import PartitionSubset
from cnn_mellin.data.tensor_files import open_partition
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.feature_name import feature_name
from cnn_mellin.formats.text_file import read_json

__all__ = ["AudioFeatures", "holds_audio", "load_audio_batch", "open_features", "read_audio", "shard_folder"]

FILE = "audio.json"
FORMAT = 1


def shard_folder(path: Path, number: int) -> Path:
    """Folder of a shard of a partition of audio."""
    return path / f"shard-{number:04}"


def holds_audio(path: str | Path) -> bool:
    """Check whether a folder is a partition of audio, whole or not."""
    return (Path(path) / FILE).exists() or next(Path(path).glob("shard-*/partition.json"), None) is not None


def read_audio(
    path: str | Path, extractor: FeatureExtractor, feature_type: str = "", *, verify: Verify = "once"
) -> AudioFeatures:
    """Read a partition of audio, memory-mapped, as features that are computed when they are asked for.

    Args:
        path: folder of the partition.
        extractor: computes the features; its sample rate must be that of the audio.
        feature_type: name of their configuration.
        verify: how often to verify the samples, as in `read_partition`.

    Raises:
        DataError: shards are missing, a file is damaged or disagrees with another, or the sample rates differ.
    """
    path = Path(path)
    if not (path / FILE).exists():
        raise DataError(f"{path}: is not whole (it has no {FILE}); run the same preparation again to write the rest")
    content = read_json(path / FILE)
    try:
        version, digests, rate = content["format"], list(content["shards"]), int(content["sample_rate_hz"])
    except (KeyError, TypeError, ValueError) as error:
        why = f"{FILE} lacks or has a wrong {error}"
        raise DataError(f"{path}: is damaged ({why}); prepare the audio again") from None
    if version != FORMAT:
        raise DataError(f"{path}: is of another format than {FORMAT}; prepare the audio again")
    if rate != extractor.sample_rate_hz:
        raise DataError(f"{path}: has a sample rate of {rate} Hz, but the features need {extractor.sample_rate_hz} Hz")
    shards = [read_partition(shard_folder(path, number), verify=verify) for number in range(len(digests))]
    for shard, digest in zip(shards, digests, strict=True):
        if shard.digest != digest or shard.description.feature_type != AUDIO:
            raise DataError(
                f"{shard.path}: is not the shard that {FILE} names; run the same preparation again, which renews it"
            )
    return AudioFeatures(path, tuple(shards), extractor, feature_type)


def open_features(path: str | Path, audio_features: str | None) -> UtteranceData:
    """Open a partition of features, or one of audio whose features are computed when they are asked for.

    Args:
        path: folder of the partition.
        audio_features: feature type to compute from audio, such as fbank-81-10ms, or a file NAME.json.

    Raises:
        DataError: the folder is not a partition, or is damaged; it holds audio but no features are named, or the other
            way round.
        SettingsError: the feature type is unknown.
    """
    if not holds_audio(path):
        if audio_features is not None:
            raise DataError(
                f"{path}: holds features, not audio; unset [data] audio_features, which is {audio_features}"
            )
        return open_partition(path)
    if audio_features is None:
        raise DataError(
            f"{path}: holds audio; set [data] audio_features to the features to compute, such as fbank-81-10ms"
        )
    return read_audio(path, FeatureExtractor.load(audio_features), feature_name(audio_features))


@dataclass(frozen=True)
class AudioFeatures:
    """Features of a partition of audio, computed when they are asked for, and its references in frames.

    Args:
        path: folder of the partition.
        shards: partitions of samples.
        extractor: computes the features.
        feature_type: name of their configuration.
    """

    path: Path
    shards: tuple[Partition, ...]
    extractor: FeatureExtractor
    feature_type: str
    _extractors: dict[str, FeatureExtractor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def description(self) -> PartitionDescription:
        """Description of the features."""
        first = self.shards[0].description
        source = {**first.source, "configuration": self.extractor.configuration}
        return PartitionDescription(self.num_coefficients, self.extractor.frame_shift_ms, self.feature_type, source)

    @cached_property
    def digest(self) -> str:
        """Digest of the samples and references of all shards, and of the configuration of the features."""
        about = [shard.digest for shard in self.shards], self.extractor.configuration
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @cached_property
    def utterance_ids(self) -> list[str]:
        """Ids of the U utterances."""
        return [name for shard in self.shards for name in shard.utterance_ids]

    @property
    def num_coefficients(self) -> int:
        """Number of coefficients per frame, F."""
        return self.extractor.num_coefficients

    @cached_property
    def num_samples(self) -> NDArray[np.int64]:
        """Number of samples of each utterance, (U,)."""
        return np.concatenate([shard.num_frames for shard in self.shards])

    @cached_property
    def num_frames(self) -> NDArray[np.int64]:
        """Number of frames of each utterance, (U,)."""
        lengths, places = np.unique(self.num_samples, return_inverse=True)
        return np.array([self.extractor.num_frames(length) for length in lengths.tolist()], np.int64)[places]

    @cached_property
    def reference_lengths(self) -> NDArray[np.int64]:
        """Number of symbols of each reference, (U,)."""
        return np.concatenate([shard.reference_lengths for shard in self.shards])

    @cached_property
    def adjacent_repeats(self) -> NDArray[np.int32]:
        """Number of symbols of each reference that equal the symbol before them, (U,)."""
        return np.concatenate([shard.adjacent_repeats for shard in self.shards])

    @property
    def verified(self) -> bool:
        """True if the files are verified."""
        return all(shard.verified for shard in self.shards)

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """First utterance of each shard, and the number of utterances."""
        return np.cumsum([0, *map(len, self.shards)])

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def _place(self, i: int) -> tuple[Partition, int]:
        number = int(np.searchsorted(self._firsts, i, side="right")) - 1
        return self.shards[number], int(i - self._firsts[number])

    def samples_of(self, i: int) -> NDArray[np.int16]:
        """Samples of utterance i, (S,), a view of the memory map."""
        shard, row = self._place(i)
        samples: NDArray[Any] = shard.features_of(row)[:, 0]
        return samples

    def features_of(self, i: int) -> NDArray[np.float32]:
        """Features of utterance i, (T, F), computed on the CPU."""
        frames: NDArray[np.float32] = self.computed(i, torch.device("cpu")).numpy()
        return frames

    @torch.no_grad()
    def computed(self, i: int, device: torch.device) -> torch.Tensor:
        """Features of utterance i, (T, F), computed on a device."""
        extractor = self.extractor if device.type == "cpu" else self._extractors.get(str(device))
        if extractor is None:
            extractor = self._extractors.setdefault(str(device), copy.deepcopy(self.extractor).to(device))
        samples = torch.from_numpy(np.array(self.samples_of(i))).to(device)
        frames: torch.Tensor = extractor(samples.float())
        return frames

    def reference_of(self, i: int) -> NDArray[np.int64]:
        """Reference of utterance i, (R, 3): class, first frame, end frame (-1 if unknown)."""
        shard, row = self._place(i)
        reference, num_frames = shard.reference_of(row), int(self.num_frames[i])
        timed = reference[:, 1] >= 0
        times = np.rint(reference[timed, 1:] * num_frames / max(int(self.num_samples[i]), 1)).astype(np.int64)
        first = np.minimum(times[:, 0], num_frames - 1)
        reference[timed, 1] = first
        reference[timed, 2] = np.minimum(np.maximum(times[:, 1], first + 1), num_frames)
        return reference

    def magnitude_sums(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sum over the frames of each of these utterances of the absolute value of each coefficient, (N, F)."""
        return np.stack([magnitudes_of(self.features_of(i)) for i in rows.tolist()])

    def check_finite(self) -> None:
        """Do nothing, as features of whole numbers are finite."""

    def check_classes(self, num_symbols: int) -> None:
        """Raise a DataError that names the first utterance with a class outside 0..num_symbols - 1."""
        for shard in self.shards:
            shard.check_classes(num_symbols)


def load_audio_batch(
    partition: UtteranceData, indices: Sequence[int], device: torch.device, ends: Sequence[int | None] = (None, None)
) -> Batch | None:
    """Load a batch whose features are computed on a device; None if the partition holds features.

    Args:
        partition: partition to read from.
        indices: indices of the utterances, in the order of the batch.
        device: device that computes the features and keeps them; lengths and references stay on the CPU.
        ends: class to insert before every reference, and class to append to it.
    """
    rows = list(indices)
    whole = partition
    while isinstance(whole, PartitionSubset):
        rows, whole = whole.rows[rows].tolist(), whole.whole
    if not isinstance(whole, AudioFeatures):
        return None
    return make_batch(partition, indices, [whole.computed(i, device) for i in rows], ends)
