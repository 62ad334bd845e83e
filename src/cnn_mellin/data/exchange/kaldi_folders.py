"""Writing partitions as Kaldi data folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cnn_mellin.data.exchange.labelled_audio import LabelledAudio, Segment
from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import identifier_fault

__all__ = ["write_kaldi"]


def write_kaldi(partition: str, utterances: Iterable[LabelledAudio], folder: Path, final: Path) -> int:
    """Write `PARTITION/` with wav.scp, text, utt2spk, spk2utt, and segments if an utterance is a part of its recording.

    Phones with known times are written as `phones.ctm`, a model's alignment as `aligned.ctm`: lines `utterance 1 start
    duration phone`, in seconds since the start of the utterance. Audio without a file of its own goes to
    `PARTITION/wav`.

    Args:
        partition: name of the partition.
        utterances: utterances of the partition, sorted by id.
        folder: folder to write to.
        final: name that the folder gets when it is complete; wav.scp names files in it.

    Returns:
        Number of utterances.

    Raises:
        DataError: the path of a recording has white space at its end, or a line end, and cannot be in wav.scp.
    """
    place = folder / partition
    place.mkdir()
    text, speakers, segments = [], [], []
    of_speaker: dict[str, list[str]] = {}
    recordings: dict[str, str] = {}
    times: dict[str, list[str]] = {"phones.ctm": [], "aligned.ctm": []}
    spans = False
    count = 0
    for utterance in utterances:
        name = utterance.utterance_id
        count += 1
        text.append(f"{name} {' '.join(utterance.symbols)}")
        speakers.append(f"{name} {utterance.speaker}")
        of_speaker.setdefault(utterance.speaker, []).append(name)
        times["phones.ctm"] += _ctm_lines(name, utterance.segments)
        times["aligned.ctm"] += _ctm_lines(name, utterance.aligned)
        recording = utterance.recording
        if recording is None:
            continue
        if recording.path is None:
            suffix, content = utterance.audio()
            (place / "wav").mkdir(exist_ok=True)
            (place / "wav" / f"{name}{suffix}").write_bytes(content)
            path = str(final / partition / "wav" / f"{name}{suffix}")
        else:
            path = str(recording.path.absolute())
        if path != path.strip() or "\n" in path or path.endswith("|"):
            raise DataError(f"{path!r}: cannot be named in wav.scp; rename it")
        own = utterance.is_whole and recordings.get(name, path) == path
        identifier = name if own else _recording_name(path, recordings)
        recordings[identifier] = path
        rate = recording.sample_rate_hz
        spans = spans or not own
        segments.append(f"{name} {identifier} {utterance.first_sample / rate!r} {utterance.end_sample / rate!r}")
    files = {
        "text": text,
        "utt2spk": speakers,
        "spk2utt": [f"{speaker} {' '.join(names)}" for speaker, names in sorted(of_speaker.items())],
        "wav.scp": [f"{name} {path}" for name, path in sorted(recordings.items())],
        "segments": segments if spans else [],
        **times,
    }
    for file, lines in files.items():
        if lines:
            (place / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return count


def _recording_name(path: str, known: Mapping[str, str]) -> str:
    """Id of a recording: its file's name, with a number if it is taken."""
    stem = Path(path).stem
    stem = stem if identifier_fault(stem) is None else "recording"
    number, name = 1, stem
    while known.get(name, path) != path:
        number += 1
        name = f"{stem}-{number}"
    return name


def _ctm_lines(name: str, segments: Iterable[Segment]) -> list[str]:
    return [f"{name} 1 {start!r} {end - start:.9g} {symbol}" for start, end, symbol in segments]
