"""Reading Lhotse manifests: recordings and supervisions as JSON lines, plain or gzip-compressed.

The manifests are read as JSON, without the package Lhotse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnn_mellin.corpora.collection import UtteranceCollection, require_audio, timed_phones
from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.json_lines import read_json_lines
from cnn_mellin.formats.transcript_symbols import parse_transcript
from cnn_mellin.utterance_names import name_utterances

__all__ = ["find_manifests", "read_lhotse"]

_NAME = re.compile(r"(?P<prefix>.*?)_?(?P<kind>recordings|supervisions)(?:_(?P<part>.+?))?\.jsonl(?:\.gz)?")
# Partition -> names that Lhotse's recipes give it.
_USUAL = {"train": ("train", "all", ""), "dev": ("dev", "validation", "valid"), "test": ("test",)}
_WHOLE_S = 1e-3  # a supervision that ends this close to the end of its recording lasts to its end


@dataclass(frozen=True)
class _Recording:
    path: Path
    line: int
    audio: Path
    sample_rate_hz: int
    duration_s: float


def read_lhotse(
    root: str | Path,
    *,
    parts: Mapping[str, str] | None = None,
    alignment: str | None = None,
    silences: Collection[str] = (),
    audio_root: str | Path = ".",
    faults: list[Fault] | None = None,
) -> dict[str, list[Utterance]]:
    """Read the manifests of all partitions of a corpus.

    Args:
        root: folder with the manifests, see `find_manifests`.
        parts: partition -> name of it in the names of the manifests.
        alignment: name of the alignment of the supervisions whose symbols and times are the phones; None reads the
            symbols from `text`, separated by white space, without times.
        silences: symbols of the alignment that are left out, as are empty ones.
        audio_root: folder that relative paths of audio files start from; in Lhotse, the current folder.
        faults: list to add audio files that do not exist, and texts and alignments that are not valid, to, instead of
            an error. Their utterances are in the result, some without labels. If all are faulty, it is an error.

    Returns:
        Partition -> utterances sorted by id, one per supervision.

    Raises:
        CorpusError: a manifest is missing or a line is not valid; a recording does not exist, has several channels or
            sources, or is transformed; a supervision has no symbol or alignment; an id is duplicate.
    """
    root = Path(root)
    collection = UtteranceCollection(root)
    faulty: list[Fault] = []
    count = 0
    for part, (recordings_path, supervisions_path) in find_manifests(root, parts).items():
        recordings = _read_recordings(recordings_path, Path(audio_root))
        for line, content in read_json_lines(supervisions_path, "a supervision of Lhotse"):
            row = _Row(supervisions_path, line, content)
            recording = recordings.get(row.text("recording_id"))
            if recording is None:
                why = f"recording {row.text('recording_id')[:60]} is not in {recordings_path}; add it there"
                raise CorpusError(supervisions_path, line, why)
            count += 1
            utterance = _without_labels(row, recording, part)
            with collected(None if faults is None else faulty, utterance.utterance_id):
                require_audio(recording.audio, recording.path, recording.line, Path(audio_root))
                utterance = _with_labels(utterance, row, recording, alignment, silences)
            collection.add(utterance, supervisions_path, line)
    if faulty and len(faulty) == count:
        raise faulty[0].error
    if faults is not None:
        faults += faulty
    return collection.partitions()


def find_manifests(root: str | Path, parts: Mapping[str, str] | None = None) -> dict[str, tuple[Path, Path]]:
    """Find the manifests of each partition of a corpus.

    Args:
        root: folder with files `PREFIX_recordings_PART.jsonl.gz` and `PREFIX_supervisions_PART.jsonl.gz`, as Lhotse's
            recipes write them; the prefix, the part (then train) and .gz may be missing.
        parts: partition -> PART; by default train (or all), dev (or validation or valid) and test, where they exist.

    Returns:
        Partition -> recordings and supervisions.

    Raises:
        CorpusError: the folder does not exist, or a partition does not have exactly one manifest of each kind.
    """
    root = Path(root)
    if not root.is_dir():
        why = "is not a folder" if root.exists() else "does not exist"
        raise CorpusError(root, None, f"{why}; name a folder with the manifests recordings and supervisions")
    found: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(root.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            found.setdefault((match["kind"], match["part"] or ""), []).append(path)
    known = sorted({part for _, part in found})
    if parts:
        wanted = dict(parts)
    else:
        wanted = {}
        for partition, names in _USUAL.items():
            name = next((name for name in names if name in known), None)
            if name is not None:
                wanted[partition] = name
    if not known or not wanted:
        why = f"has manifests of {', '.join(known)}" if known else "has no files like recordings_train.jsonl.gz"
        raise CorpusError(root, None, f"{why}; name the partitions, such as parts=train=train-clean")
    manifests = {}
    for partition, name in wanted.items():
        pair = []
        for kind in ("recordings", "supervisions"):
            paths = found.get((kind, name), [])
            if len(paths) != 1:
                shown = f"{kind}_{name}.jsonl.gz" if name else f"{kind}.jsonl.gz"
                why = f"has {name_utterances([path.name for path in paths])}" if paths else f"has no file {shown}"
                raise CorpusError(root, None, f"{why}; partition {partition} needs one such manifest")
            pair.append(paths[0])
        manifests[partition] = pair[0], pair[1]
    return manifests


class _Row:
    """Object of one line of a manifest, with checked access to its members."""

    def __init__(self, path: Path, line: int, content: Mapping[str, Any]) -> None:
        self.path, self.line, self.content = path, line, content

    def text(self, name: str, default: str | None = None) -> str:
        value = self.content.get(name, default)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            self.fail(name, value, "a text")
        return str(value)

    def number(self, name: str) -> float:
        value = self.content.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            self.fail(name, value, "a number of at least 0")
        return float(value or 0)

    def fail(self, name: str, value: object, rule: str) -> None:
        found = "is missing" if name not in self.content else f"is {str(value)[:60]!r}"
        raise CorpusError(self.path, self.line, f"{name} {found}; it must be {rule}")


def _read_recordings(path: Path, audio_root: Path) -> dict[str, _Recording]:
    found: dict[str, _Recording] = {}
    for line, content in read_json_lines(path, "a recording of Lhotse"):
        row = _Row(path, line, content)
        name = row.text("id")
        if name in found:
            raise CorpusError(path, line, f"duplicate recording {name[:60]}; delete one of the lines")
        sources = content.get("sources")
        source = sources[0] if isinstance(sources, Sequence) and len(sources) == 1 else None
        if not isinstance(source, Mapping) or source.get("type") != "file" or not isinstance(source.get("source"), str):
            kind = source.get("type") if isinstance(source, Mapping) else None
            what = f"has a source of type {kind!r}" if kind else "has no or several sources"
            raise CorpusError(path, line, f"recording {name[:60]} {what}; it must have one, which is an audio file")
        channels = content.get("channel_ids") or source.get("channels") or [0]
        if len(channels) != 1:
            why = f"recording {name[:60]} has {len(channels)} channels; write each to a file of its own"
            raise CorpusError(path, line, why)
        if content.get("transforms"):
            why = f"recording {name[:60]} is transformed when it is read; save the transformed audio"
            raise CorpusError(path, line, f"{why} (Recording.save_audio)")
        rate = row.number("sampling_rate")
        if not rate or not rate.is_integer():
            row.fail("sampling_rate", content.get("sampling_rate"), "a whole number of at least 1")
        found[name] = _Recording(path, line, audio_root / source["source"], int(rate), row.number("duration"))
    return found


def _without_labels(row: _Row, recording: _Recording, part: str) -> Utterance:
    name = row.text("id")
    start_s, duration_s = row.number("start"), row.number("duration")
    end_s = start_s + duration_s
    if not duration_s:
        row.fail("duration", 0, "above 0")
    until_end = abs(end_s - recording.duration_s) < _WHOLE_S
    gender = row.text("gender", "").lower()[:1]
    return Utterance(
        name,
        row.text("speaker", "") or name,
        recording.audio,
        (),
        gender=gender if gender in ("f", "m") else "",
        part=part,
        start_s=start_s,
        end_s=None if until_end else end_s,
    )


def _with_labels(
    utterance: Utterance, row: _Row, recording: _Recording, alignment: str | None, silences: Collection[str]
) -> Utterance:
    if alignment is None:
        return replace(utterance, transcript=parse_transcript(row.text("text", ""), row.path, row.line))
    segments = [segment for segment in _segments(row, alignment) if segment[2] and segment[2] not in silences]
    if not segments:
        raise CorpusError(row.path, row.line, f"alignment {alignment!r} has no symbol besides silence; label it")
    return replace(utterance, phones=timed_phones(segments, recording.sample_rate_hz, utterance.start_s))


def _segments(row: _Row, alignment: str) -> list[tuple[float, float, str]]:
    """Start, end and symbol of each item of an alignment."""
    alignments = row.content.get("alignment") or {}
    items = alignments.get(alignment) if isinstance(alignments, Mapping) else None
    if not isinstance(items, Sequence) or not items:
        known = ", ".join(map(repr, alignments)) if isinstance(alignments, Mapping) and alignments else "none"
        why = f"has no alignment {alignment!r}; its alignments are {known}"
        raise CorpusError(row.path, row.line, f"{why}; name one of them, or none to read the text")
    segments: list[tuple[float, float, str]] = []
    for item in items:
        symbol, start_s, duration_s, *_ = item if isinstance(item, list) and len(item) >= 3 else [None] * 3
        numbers = [value for value in (start_s, duration_s) if isinstance(value, int | float) and value >= 0]
        if not isinstance(symbol, str) or len(numbers) != 2 or not math.isfinite(sum(numbers)):
            why = f"alignment {alignment!r} has {str(item)[:60]!r}; an item is [symbol, start, duration, score]"
            raise CorpusError(row.path, row.line, f"{why}, in seconds")
        symbols = parse_transcript(symbol, row.path, row.line) if symbol.strip() else ("",)
        if len(symbols) > 1:
            raise CorpusError(row.path, row.line, f"alignment {alignment!r} has {symbol[:40]!r}; split it into symbols")
        if segments and numbers[0] < segments[-1][0]:
            why = f"alignment {alignment!r}: {symbol!r} starts at {numbers[0]:g} s, before {segments[-1][2]!r}"
            raise CorpusError(row.path, row.line, f"{why}; sort the items by time")
        segments.append((numbers[0], sum(numbers), symbols[0]))
    return segments
