"""Preparation of partitions of audio: 16-bit samples in shards, by any number of processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mellin import __version__
from cnn_mellin.atomic import atomic_file, delete_leftovers
from cnn_mellin.audio.recording import Conversion
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.audio_partition import FILE, FORMAT, shard_folder
from cnn_mellin.data.corpus_check import CorpusCheck
from cnn_mellin.data.ext_folder import estimate_language_model, require_order, write_ext_folder
from cnn_mellin.data.faulty_utterances import LeaveOut, require_few_faults
from cnn_mellin.data.labelling import Labelling
from cnn_mellin.data.partition import Partition, read_partition
from cnn_mellin.data.partition_description import AUDIO, PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.preparation import frame_references, num_cores
from cnn_mellin.data.verified_files import files_state
from cnn_mellin.errors import AudioError, CorpusError, DataError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.identifier import require_identifier

__all__ = ["PreparedAudio", "prepare_audio"]

_UTTERANCES_PER_SHARD = 5000  # about 16 hours and 2 GB of a corpus of read sentences


@dataclass(frozen=True)
class PreparedAudio:
    """Partition of audio that `prepare_audio` wrote or found.

    Args:
        path: folder of the partition.
        num_shards: number of its shards.
        missing: numbers of the shards that are not written yet; without any, the partition is complete.
        written: numbers of the shards that this call wrote.
        num_utterances, num_samples: number of utterances and samples of the shards that exist.
        faults: faults of utterances that this call left out.
    """

    path: Path
    num_shards: int
    missing: tuple[int, ...]
    written: tuple[int, ...]
    num_utterances: int
    num_samples: int
    faults: tuple[Fault, ...] = ()


def prepare_audio(
    parts: Mapping[str, Sequence[Utterance]],
    data: str | Path,
    labelling: Labelling,
    *,
    sample_rate_hz: int = 16000,
    shards: int | None = None,
    shard: int | None = None,
    conversion: Conversion | None = None,
    faults: Sequence[Fault] = (),
    leave_out_damaged: LeaveOut | None = None,
    lm_order: int = 3,
    jobs: int | None = None,
    quiet: bool = True,
) -> list[PreparedAudio]:
    """Write the audio of a corpus as 16-bit samples, shard by shard, to `data/audio/PARTITION`.

    A shard appears as a whole or not at all; one that exists, from the same files, labels and version, is kept. So the
    same call, after an interruption, writes what is missing. Several processes may write different shards at the same
    time. The call that finds all shards of all partitions complete writes `audio.json`, by which they can be opened,
    and `ext`. Samples with more than 16 bits, resampled or mixed ones are rounded to whole numbers.

    Args:
        parts: partition name -> utterances; one of them must be `train`.
        data: folder for the data directory.
        labelling: mapping from labels to symbols.
        sample_rate_hz: sample rate of the samples.
        shards: number of shards per partition, at most its number of utterances; by default one per 5,000 utterances.
        shard: number of the only shard to write of each partition, from 0; by default all are written.
        conversion: changes that recordings may undergo; by default none.
        faults: faults of utterances that were found when the corpus was read.
        leave_out_damaged: maximum of faulty utterances per shard to leave out; by default any fault is an error.
        lm_order: order of the language model of the training symbols, 3 for a trigram.
        jobs: number of utterances to read in parallel; by default one per core.
        quiet: show no progress bar.

    Raises:
        SettingsError: a number of shards or `lm_order` is out of bounds.
        DataError: a partition is empty, its name breaks the rule for identifiers, or a folder holds something else.
        CorpusError: audio is damaged or does not fit; `FaultyCorpusError` if there are several such faults.
    """
    require_order(lm_order)
    if shards is not None and shards < 1:
        raise SettingsError(f"shards is {shards}; it must be at least 1")
    if shard is not None and not 0 <= shard < (shards or 1):
        raise SettingsError(f"shard is {shard}; it must lie in 0..{(shards or 1) - 1}, below the number of shards")
    for name, utterances in parts.items():
        require_identifier(name, "partition")
        if not utterances:
            raise DataError(f"partition {name} has no utterance; each partition needs at least one")
    raw = FeatureExtractor(None)
    raw.sample_rate_hz = sample_rate_hz
    work = CorpusCheck({AUDIO: raw}, conversion or Conversion(), jobs or num_cores(), quiet)
    folder = Path(data) / AUDIO
    plans = {
        name: _Plan(folder / name, name, utterances, shards, labelling, work) for name, utterances in parts.items()
    }
    found, shards_of = [], {}
    for name, plan in plans.items():
        chosen = range(len(plan)) if shard is None else [number for number in [shard] if number < len(plan)]
        written, left_out = [], []
        for number in chosen:
            if plan.current(number) is None:
                left_out += plan.write(number, faults, leave_out_damaged)
                written.append(number)
        existing = [plan.current(number) for number in range(len(plan))]
        whole = shards_of[name] = [partition for partition in existing if partition is not None]
        found.append(
            PreparedAudio(
                plan.path,
                len(plan),
                tuple(number for number, partition in enumerate(existing) if partition is None),
                tuple(written),
                sum(map(len, whole)),
                sum(len(partition.features) for partition in whole),
                tuple(left_out),
            )
        )
    if not any(result.missing for result in found):
        _complete(folder, plans, shards_of, parts, labelling, sample_rate_hz, lm_order)
    return found


class _Plan:
    """Shards of one partition: which utterances each has, and whether it is written."""

    def __init__(
        self,
        path: Path,
        name: str,
        utterances: Sequence[Utterance],
        shards: int | None,
        labelling: Labelling,
        work: CorpusCheck,
    ) -> None:
        self.path, self._name, self._labelling, self._work = path, name, labelling, work
        count = shards or -(-len(utterances) // _UTTERANCES_PER_SHARD)
        count = min(count, len(utterances))
        ends = [len(utterances) * number // count for number in range(count + 1)]
        self._shards = [utterances[first:end] for first, end in zip(ends, ends[1:], strict=False)]

    def __len__(self) -> int:
        return len(self._shards)

    def current(self, number: int) -> Partition | None:
        """The shard, if it is written and up to date."""
        try:
            partition = read_partition(shard_folder(self.path, number))
        except DataError:
            return None
        kept = dict(partition.description.source)
        kept.pop("left_out", None)
        return partition if kept == self._source(number) else None

    def write(self, number: int, known: Sequence[Fault], leave_out: LeaveOut | None) -> list[Fault]:
        """Write a shard; returns the faults of utterances that were left out."""
        utterances, folder = self._shards[number], shard_folder(self.path, number)
        source, hz = self._source(number), self._work.sample_rate_hz
        description = PartitionDescription(1, 1000 / hz, AUDIO, source)
        faulty = {fault.utterance_id: fault for fault in reversed(known)}

        def read(utterance: Utterance) -> tuple[NDArray[np.int16], NDArray[np.int64]] | CorpusError:
            if utterance.utterance_id in faulty:
                return faulty[utterance.utterance_id].error
            try:
                recording = self._work.read(utterance)
                if utterance.phones and utterance.sample_rate_hz is None and recording.sample_rate_hz != hz:
                    utterance = replace(utterance, sample_rate_hz=recording.sample_rate_hz)
                samples = recording.resampled(hz)
                if not len(samples):
                    raise AudioError(utterance.audio_path, "has no sample; record it again")
                reference = frame_references(utterance, len(samples), len(samples), self._labelling, sample_rate_hz=hz)
            except CorpusError as error:
                return error
            return np.clip(np.rint(samples), -32768, 32767).astype(np.int16), reference

        with contextlib.ExitStack() as stack:
            writer = stack.enter_context(write_partition(folder, description))
            faults = []
            results = self._work.map(f"{self._name}, shard {number}", read, utterances)
            for utterance, result in zip(utterances, results, strict=True):
                if isinstance(result, CorpusError):
                    faults.append(Fault(utterance.utterance_id, result))
                else:
                    writer.add(utterance.utterance_id, result[0][:, None], result[1])
            require_few_faults({self._name: faults}, {self._name: len(utterances)}, leave_out)
            if faults:
                left_out = {fault.utterance_id: fault.error.why for fault in faults}
                writer.description = replace(description, source={**source, "left_out": left_out})
        return faults

    def _source(self, number: int) -> dict[str, Any]:
        """Origin of a shard, by which changes are recognised without reading audio."""
        digest = hashlib.sha256()
        for utterance in self._shards[number]:
            state: list[int] = []
            with contextlib.suppress(OSError):
                path = utterance.audio_path
                state = files_state(path.parent, [path.name])[0][:2]  # size and time of change
            labels = [(phone.symbol, phone.first_sample, phone.end_sample) for phone in utterance.phones]
            span = utterance.start_s, utterance.end_s
            digest.update(repr((utterance.utterance_id, labels, utterance.transcript, span, state)).encode())
        return {
            "corpus": digest.hexdigest(),
            "shard": [number, len(self)],
            "version": __version__,
            "sample_rate_hz": self._work.sample_rate_hz,
            **json.loads(json.dumps(self._labelling.source)),
            **({"conversion": self._work.conversion.allowed} if self._work.conversion.allowed else {}),
        }


def _complete(
    folder: Path,
    plans: Mapping[str, _Plan],
    shards_of: Mapping[str, Sequence[Partition]],
    parts: Mapping[str, Sequence[Utterance]],
    labelling: Labelling,
    sample_rate_hz: int,
    lm_order: int,
) -> None:
    """Write `ext`, and `audio.json` of each partition."""
    digests, kept = {}, {}
    for name, shards in shards_of.items():
        digests[name] = [shard.digest for shard in shards]
        ids = {utterance_id for shard in shards for utterance_id in shard.utterance_ids}
        kept[name] = [utterance for utterance in parts[name] if utterance.utterance_id in ids]
    for name, plan in plans.items():
        content = {"format": FORMAT, "sample_rate_hz": sample_rate_hz, "shards": digests[name]}
        with atomic_file(plan.path / FILE) as file:
            json.dump(content, file, indent=1)
        for other in plan.path.glob(f"{shard_folder(plan.path, 0).name[:-4]}*"):
            if other.name >= shard_folder(plan.path, len(plan)).name:  # of an earlier division into more shards
                shutil.rmtree(other, ignore_errors=True)
        delete_leftovers(plan.path)  # of runs that were killed after a shard was whole
    ngrams = estimate_language_model(kept["train"], labelling, lm_order)
    write_ext_folder(folder, kept, labelling, ngrams, sample_rate_hz)
    delete_leftovers(folder / "ext")
