"""Utterances of a partition with their audio, speakers, symbols and times, as other formats hold them."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from cnn_mellin.audio.audio_file import open_audio
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.speed_copies import original_of_speed_copies
from cnn_mellin.errors import CorpusError, DataError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.symbols import read_symbols
from cnn_mellin.utterance_names import name_utterances

__all__ = ["LabelledAudio", "Recording", "Segment", "labelled_audio"]

_LOGGER = logging.getLogger(__name__)

Segment = tuple[float, float, str]  # start and end in seconds, symbol

_FULL_SCALE = 32768
_TYPES = {"PCM_S8": "int16", "PCM_U8": "int16", "PCM_16": "int16", "FLOAT": "float32", "DOUBLE": "float64"}


@dataclass(frozen=True)
class Recording:
    """Recording that holds an utterance, or several.

    Args:
        sample_rate_hz: sample rate in Hz.
        num_samples: number of samples.
        path: its file; None for samples of a partition of raw audio.
        samples: function that returns the samples (S,) in units of 16-bit integers, if there is no file.
    """

    sample_rate_hz: int
    num_samples: int
    path: Path | None = None
    samples: Callable[[], NDArray[np.float32]] | None = None


@dataclass(frozen=True)
class LabelledAudio:
    """Utterance of a partition.

    Args:
        utterance_id, speaker: ids of the utterance and its speaker.
        symbols: symbols of the reference.
        segments: symbols with times in seconds since the start of the utterance; empty if times are unknown.
        aligned: symbols with the times of a model's alignment, in the same form; empty if there is none.
        duration_s: duration in seconds.
        recording: recording that holds it; None for an export without audio.
        first_sample, end_sample: span in the recording.
    """

    utterance_id: str
    speaker: str
    symbols: tuple[str, ...]
    segments: tuple[Segment, ...]
    aligned: tuple[Segment, ...]
    duration_s: float
    recording: Recording | None = None
    first_sample: int = 0
    end_sample: int = 0

    @property
    def is_whole(self) -> bool:
        """True if the utterance is all of its recording."""
        recording = self.recording
        return recording is None or (self.first_sample == 0 and self.end_sample == recording.num_samples)

    def audio(self) -> tuple[str, bytes]:
        """Suffix and content of an audio file of this utterance: its own file, or WAV for a span or for raw audio.

        Raises:
            ValueError: the utterance has no recording.
            AudioError: its recording cannot be read.
        """
        recording = self.recording
        if recording is None:
            raise ValueError(f"{self.utterance_id} has no recording")
        if recording.path is None:
            assert recording.samples is not None
            return ".wav", _wav(recording.samples(), recording.sample_rate_hz)
        if self.is_whole:
            return recording.path.suffix or ".wav", recording.path.read_bytes()
        with open_audio(recording.path) as audio:
            sound = audio.sound
            sound.seek(self.first_sample)
            samples = sound.read(self.end_sample - self.first_sample, dtype=_TYPES.get(sound.subtype, "int32"))
            subtype = sound.subtype if sound.subtype in soundfile.available_subtypes("WAV") else "PCM_16"
        content = io.BytesIO()
        soundfile.write(content, samples, recording.sample_rate_hz, format="WAV", subtype=subtype)
        return ".wav", content.getvalue()


def labelled_audio(
    partition: Partition,
    *,
    recordings: Mapping[str, Utterance] | None = None,
    labels_only: bool = False,
    alignments: Mapping[str, Sequence[Segment]] | None = None,
) -> Iterator[LabelledAudio]:
    """Iterate over the utterances of a partition, sorted by id.

    Args:
        partition: partition with a folder ext beside it.
        recordings: utterance -> where it is recorded; None takes the samples from the partition of raw audio that was
            prepared beside this one. Copies at other speeds are not recorded: they are left out, and the log says so.
        labels_only: leave audio out.
        alignments: utterance -> symbols with times of a model's alignment.

    Raises:
        DataError: the folder ext is missing, or there is no audio or it lacks an utterance.
        AudioError: a recording cannot be read.
    """
    ext = partition.path.absolute().parent / "ext"
    symbols = read_symbols(ext)
    partition.check_classes(len(symbols))
    speakers = read_speakers(ext / "utt2spk") if (ext / "utt2spk").exists() else {}
    raw = _raw_partition(partition, required=recordings is None and not labels_only)
    exported = set(partition.utterance_ids)
    if recordings is not None:
        copies = original_of_speed_copies(partition).keys() - recordings.keys()
        exported -= copies
        if copies:
            what = "copies at other speeds, which no file holds"
            _LOGGER.warning("%s: without its %d %s", partition.path, len(copies), what)
        missing = sorted(exported - set(recordings))
        if missing:
            why = f"{len(missing)} utterances are not among the recordings: {name_utterances(missing)}"
            raise DataError(f"{partition.path}: {why}; name the corpus that it was prepared from")
    rows = {name: i for i, name in enumerate(raw.utterance_ids)} if raw is not None else {}
    headers: dict[Path, Recording] = {}
    for name, i in sorted((name, i) for i, name in enumerate(partition.utterance_ids) if name in exported):
        source, row = (partition, i) if raw is None else (raw, rows[name])
        if recordings is not None and not labels_only:
            recording, first, end = _span(recordings[name], headers)
        elif raw is not None:
            recording = _raw_recording(raw, row)
            first, end = 0, recording.num_samples
        else:
            shift_ms = partition.description.frame_shift_ms
            if shift_ms is None:
                why = "does not hold its frame shift, which times need"
                raise DataError(f"{partition.path}: {why}; prepare the features raw beside it")
            # as if it had one sample per microsecond
            recording, first, end = Recording(10**6, 0), 0, round(1000 * shift_ms * int(source.num_frames[row]))
        reference = source.reference_of(row)
        named = tuple(symbols[c] for c in reference[:, 0].tolist())
        yield LabelledAudio(
            utterance_id=name,
            speaker=speakers.get(name, name),
            symbols=named,
            segments=_segments(reference, named, (end - first) / int(source.num_frames[row]), recording.sample_rate_hz),
            aligned=tuple((alignments or {}).get(name, ())),
            duration_s=(end - first) / recording.sample_rate_hz,
            recording=None if labels_only else recording,
            first_sample=first,
            end_sample=end,
        )


def _raw_partition(partition: Partition, *, required: bool) -> Partition | None:
    """Partition of raw audio with the same utterances and references; None if there is none and none is required."""
    here = partition.path.absolute()
    path = here.parent.parent / "raw" / here.name
    if partition.description.feature_type == "raw":
        return partition
    try:
        raw = read_partition(path)
        rows = {name: i for i, name in enumerate(raw.utterance_ids)}
        for i, name in enumerate(partition.utterance_ids):
            same = name in rows and np.array_equal(raw.reference_of(rows[name])[:, 0], partition.reference_of(i)[:, 0])
            if not same:
                raise DataError(f"{path}: lacks utterance {name} of {partition.path}, or has another reference of it")
        if read_symbols(path.parent / "ext") != read_symbols(here.parent / "ext"):
            raise DataError(f"{path}: has other symbols than {partition.path}")
    except DataError as error:
        if not required:
            return None
        remedy = "prepare the features raw together with the others, or pass recordings=CORPUS or labels_only=True"
        raise DataError(f"{partition.path}: its audio is taken from {path}, but {error}; {remedy}") from None
    return raw


def _raw_recording(raw: Partition, row: int) -> Recording:
    rate = FeatureExtractor.named("raw").sample_rate_hz
    return Recording(rate, int(raw.num_frames[row]), samples=lambda: raw.features_of(row)[:, 0])


def _span(utterance: Utterance, headers: dict[Path, Recording]) -> tuple[Recording, int, int]:
    """Recording of an utterance, its first sample and the sample after its last one."""
    path = utterance.audio_path
    if path not in headers:
        with open_audio(path) as audio:
            headers[path] = Recording(int(audio.sound.samplerate), audio.num_samples, path)
    recording = headers[path]
    first = round(utterance.start_s * recording.sample_rate_hz)
    end = recording.num_samples if utterance.end_s is None else round(utterance.end_s * recording.sample_rate_hz)
    end = min(end, recording.num_samples)
    if end <= first:
        raise CorpusError(path, None, f"utterance {utterance.utterance_id} has no samples in it; mend the segment")
    return recording, first, end


def _segments(
    reference: NDArray[np.int64], symbols: Sequence[str], samples_per_frame: float, sample_rate_hz: int
) -> tuple[Segment, ...]:
    """Symbols with times, at whole samples, so that preparing them again gives the same frames."""
    if not len(reference) or (reference[:, 1:] < 0).any():
        return ()
    times = np.rint(reference[:, 1:] * samples_per_frame) / sample_rate_hz
    return tuple((start, end, symbol) for (start, end), symbol in zip(times.tolist(), symbols, strict=True))


def _wav(samples: NDArray[np.float32], sample_rate_hz: int) -> bytes:
    """WAV file of samples in units of 16-bit integers: 16 bits if they are whole numbers, else 32-bit float."""
    content = io.BytesIO()
    whole = np.array_equal(samples, np.rint(samples)) and samples.min() >= -_FULL_SCALE and samples.max() < _FULL_SCALE
    values = samples.astype(np.int16) if whole else samples / np.float32(_FULL_SCALE)
    subtype = "PCM_16" if whole else "FLOAT"
    soundfile.write(content, values, sample_rate_hz, format="WAV", subtype=subtype)
    return content.getvalue()
