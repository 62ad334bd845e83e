"""Writing partitions as Lhotse manifests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.data.exchange.labelled_audio import LabelledAudio, Recording, Segment

__all__ = ["write_lhotse"]

_DIGITS = 8  # Lhotse rounds times to this number of decimals


def write_lhotse(partition: str, utterances: Iterable[LabelledAudio], folder: Path, final: Path) -> int:
    """Write `recordings_PARTITION.jsonl.gz` and `supervisions_PARTITION.jsonl.gz`.

    Phones with known times are the alignment `phone` of their supervision, a model's alignment is `aligned`. Audio
    without a file of its own goes to `audio/PARTITION`. Without audio, only the supervisions are written. The arguments
    and the result are those of `write_kaldi`.
    """
    recordings: dict[str, dict[str, Any]] = {}
    names: dict[Path, str] = {}
    supervisions = []
    for utterance in utterances:
        name, recording = utterance.utterance_id, utterance.recording
        start_s, recording_name = 0.0, name
        if recording is not None:
            if recording.path is None:
                suffix, content = utterance.audio()
                place = Path("audio", partition, f"{name}{suffix}")
                (folder / place.parent).mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(content)
                path = final / place
            else:
                path = recording.path.absolute()
            recording_name = names.setdefault(path, name)
            recordings[recording_name] = _recording(recording_name, path, recording)
            start_s = utterance.first_sample / recording.sample_rate_hz
        supervisions.append(_supervision(utterance, recording_name, start_s))
    if recordings:
        _write(folder / f"recordings_{partition}.jsonl.gz", list(recordings.values()))
    _write(folder / f"supervisions_{partition}.jsonl.gz", supervisions)
    return len(supervisions)


def _recording(name: str, path: Path, recording: Recording) -> dict[str, Any]:
    return {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": str(path)}],
        "sampling_rate": recording.sample_rate_hz,
        "num_samples": recording.num_samples,
        "duration": recording.num_samples / recording.sample_rate_hz,
        "channel_ids": [0],
    }


def _supervision(utterance: LabelledAudio, recording_name: str, start_s: float) -> dict[str, Any]:
    supervision: dict[str, Any] = {
        "id": utterance.utterance_id,
        "recording_id": recording_name,
        "start": start_s,
        "duration": round(utterance.duration_s, _DIGITS),
        "channel": 0,
        "text": " ".join(utterance.symbols),
        "speaker": utterance.speaker,
    }
    alignments = {"phone": utterance.segments, "aligned": utterance.aligned}
    found = {kind: _items(segments, start_s) for kind, segments in alignments.items() if segments}
    return {**supervision, "alignment": found} if found else supervision


def _items(segments: Sequence[Segment], start_s: float) -> list[list[Any]]:
    """Alignment items: symbol, start in the recording, duration, and no score."""
    return [
        [symbol, round(start_s + first_s, _DIGITS), round(end_s - first_s, _DIGITS), None]
        for first_s, end_s, symbol in segments
    ]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(path, "wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
