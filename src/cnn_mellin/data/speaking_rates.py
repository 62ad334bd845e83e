"""Test partition of a corpus at several speaking rates."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin import __version__
from cnn_mellin.atomic import atomic_file
from cnn_mellin.audio.recording import Conversion
from cnn_mellin.audio.speaking_rate import change_speaking_rate
from cnn_mellin.corpora.fault import Fault
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.checked_audio import CheckedAudio
from cnn_mellin.data.corpus_check import CorpusCheck
from cnn_mellin.data.faulty_utterances import LeaveOut, require_few_faults
from cnn_mellin.data.labelling import Labelling
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import require_partition_replaceable, write_partition
from cnn_mellin.errors import AudioError, DataError, SettingsError
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.formats.feature_name import feature_name
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.formats.transcripts import write_trn
from cnn_mellin.speaking_rate_range import SPEAKING_RATES_SHOWN, is_speaking_rate
from cnn_mellin.utterance_names import name_utterances

__all__ = ["prepare_speaking_rates"]

_LOGGER = logging.getLogger(__name__)


def prepare_speaking_rates(
    parts: Mapping[str, Sequence[Utterance]],
    out: str | Path,
    features: str,
    labelling: Labelling,
    rates: Sequence[float],
    *,
    part: str = "test",
    conversion: Conversion | None = None,
    faults: Sequence[Fault] = (),
    leave_out_damaged: LeaveOut | None = None,
    check: bool = False,
    jobs: int = 1,
    quiet: bool = True,
) -> int:
    """Write a partition with every utterance at every speaking rate, and `ext` with references and speaking rates.

    Utterance `NAME` at speaking rate 0.8 is named `NAME_rate0.8`. `ext/utt2rate` has lines `NAME_rate0.8 0.8`: given as
    the speakers of a score, it gives the phone error rate at each speaking rate.

    Args:
        parts: partition name -> utterances of the corpus.
        out: folder for the partition and `ext`.
        features: feature type, or a file NAME.json.
        labelling: mapping from labels to symbols.
        rates: speaking rates in 0.3..3; 2 is twice as fast.
        part: name of the partition to use.
        conversion: changes that recordings may undergo, such as resampling; by default none.
        faults: faults of utterances that were found when the corpus was read.
        leave_out_damaged: maximum of faulty utterances to leave out; by default any fault is an error.
        check: read all audio before, even if its files have not changed since they were read for this.
        jobs: number of utterances to compute in parallel.
        quiet: show no progress bar.

    Returns:
        Number of utterances at all speaking rates together.

    Raises:
        DataError: the corpus has no such partition, or the folder of the partition exists and holds something else.
        SettingsError: a speaking rate is out of range or a duplicate, or `ext` belongs to other partitions.
        AudioError: audio is damaged, or too short for a frame.
        FaultyCorpusError: there are several such faults, or more than may be left out; it holds all of them.
    """
    names = [f"{rate:g}" for rate in rates]
    if not all(map(is_speaking_rate, rates)) or len(set(names)) < len(names):
        raise SettingsError(f"rates {' '.join(names)}: must lie in {SPEAKING_RATES_SHOWN}, each once")
    if not parts.get(part):
        raise DataError(f"the corpus has no partition {part}; its partitions are {', '.join(parts)}")
    extractor = FeatureExtractor.load(features)
    source = {"configuration": extractor.configuration, "version": __version__, "rates": names, **labelling.source}
    if conversion is not None and conversion.allowed:
        source["conversion"] = conversion.allowed
    name = feature_name(features)
    description = PartitionDescription(extractor.num_coefficients, extractor.frame_shift_ms, name, source)
    require_partition_replaceable(Path(out) / part, description)
    ext = Path(out) / "ext"
    ours = (ext / "utt2rate").exists() or (Path(out) / part / "partition.json").exists()
    if not ours and ext.exists() and any(ext.iterdir()):
        raise SettingsError(f"{ext}: belongs to other partitions, whose symbols would change; name another folder")
    work = CorpusCheck({features: extractor}, conversion or Conversion(), jobs, quiet)
    audio: dict[str, CheckedAudio] = {}
    faulty = {part: work.run(Path(out) / part, parts[part], faults, audio, anew=check)}
    require_few_faults(faulty, {part: len(parts[part])}, leave_out_damaged)
    if faulty[part]:
        source["left_out"] = {fault.utterance_id: fault.error.why for fault in faulty[part]}
        description = replace(description, source=source)
        names_left_out = name_utterances([fault.utterance_id for fault in faulty[part]])
        _LOGGER.warning(
            "left out %d of %d utterances of %s: %s", len(faulty[part]), len(parts[part]), part, names_left_out
        )
    used = [utterance for utterance in parts[part] if utterance.utterance_id in audio]
    folder, wanted = Path(out), [(utterance, name) for utterance in used for name in names]

    def compute(job: tuple[Utterance, str]) -> NDArray[np.float32]:
        utterance, rate = job
        hz = extractor.sample_rate_hz
        recording = work.read(utterance)
        changed = change_speaking_rate(recording.resampled(hz), float(rate), sample_rate_hz=hz)
        with torch.inference_mode():
            frames: NDArray[np.float32] = extractor(torch.from_numpy(changed)).numpy()
        if not len(frames):
            raise AudioError(utterance.audio_path, f"is too short for a frame at {rate} times its speaking rate")
        return frames

    with write_partition(folder / part, description) as writer:
        computed = work.map_features("change speaking rates", compute, wanted)
        for (utterance, rate), frames in zip(wanted, computed, strict=True):
            classes = [labelling.classes[symbol] for symbol in labelling.trained_symbols(utterance.labels)]
            writer.add(_name(utterance, rate), frames, np.array(classes, dtype=np.int64))
    write_symbols(ext, labelling.symbols)
    write_folding(ext, folded=labelling.is_folded)
    references = {_name(u, rate): labelling.scored_symbols(u.labels) for u, rate in wanted}
    write_trn(ext / f"{part}.ref.trn", references)
    with atomic_file(ext / "utt2rate") as file:
        file.writelines(f"{_name(utterance, rate)} {rate}\n" for utterance, rate in wanted)
    return len(wanted)


def _name(utterance: Utterance, rate: str) -> str:
    return f"{utterance.utterance_id}_rate{rate}"
