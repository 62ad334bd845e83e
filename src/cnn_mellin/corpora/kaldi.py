"""Reading Kaldi data folders: `wav.scp`, `text`, `utt2spk`, and `segments` if recordings hold several utterances.

A file `phones.ctm` gives the symbols of `text` their times.

`wav.scp` must name audio files; commands that produce audio (`sph2pipe ... |`) are refused, not run. The symbols in
`text` are the units to recognise: phones, characters, or any others separated by white space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cnn_mellin.corpora.collection import sample_rate_of, timed_phones
from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.look_alikes import look_alike_warning
from cnn_mellin.formats.transcript_symbols import parse_transcript, read_lines, require_name
from cnn_mellin.utterance_names import name_utterances

__all__ = ["kaldi_parts", "read_kaldi", "read_kaldi_parts"]

_PARTITIONS = ("train", "dev", "test")


def read_kaldi_parts(
    root: str | Path,
    folders: Mapping[str, str] | None = None,
    *,
    audio_root: str | Path = ".",
    faults: list[Fault] | None = None,
) -> dict[str, list[Utterance]]:
    """Read all partitions of a corpus: those of `kaldi_parts`, each with `read_kaldi`, whose arguments the others are.

    Returns:
        Partition -> utterances.

    Raises:
        CorpusError: a partition is not valid, or an utterance is in two of them.
    """
    partitions: dict[str, list[Utterance]] = {}
    partition_of: dict[str, str] = {}
    for partition, folder in kaldi_parts(root, folders).items():
        partitions[partition] = read_kaldi(folder, part=partition, audio_root=audio_root, faults=faults)
        for utterance in partitions[partition]:
            name = utterance.utterance_id
            other = partition_of.setdefault(name, partition)
            if other != partition:
                why = f"utterance {name} is also in partition {other}; delete or rename one of them"
                raise CorpusError(folder, None, why)
    return partitions


def kaldi_parts(root: str | Path, folders: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Find the folder of each partition of a corpus.

    Args:
        root: folder with a `wav.scp`, which is then the partition `train`; or folder whose sub-folders have one each.
        folders: partition -> name of its sub-folder; by default the existing ones of `train`, `dev` and `test`.

    Raises:
        CorpusError: the root does not exist, or there is no folder for `train`.
    """
    root = Path(root)
    if not root.is_dir():
        why = "is not a folder" if root.exists() else "does not exist"
        raise CorpusError(root, None, f"{why}; name one with wav.scp")
    if not folders and (root / "wav.scp").exists():
        return {"train": root}
    wanted = folders or {name: name for name in _PARTITIONS if (root / name).is_dir()}
    found = {partition: root / name for partition, name in wanted.items()}
    if "train" not in found:
        why = "has neither a wav.scp nor a folder train; pass folders train=FOLDER dev=FOLDER"
        raise CorpusError(root, None, why)
    return found


def read_kaldi(
    folder: str | Path, *, part: str = "train", audio_root: str | Path = ".", faults: list[Fault] | None = None
) -> list[Utterance]:
    """Read all utterances of a Kaldi data folder, sorted by id.

    Args:
        folder: folder with `wav.scp`, `text`, `utt2spk` and, optionally, `segments` and `phones.ctm` (lines `utterance
            channel start duration symbol`, in seconds since the start of the utterance).
        part: partition of the utterances.
        audio_root: folder that relative paths in `wav.scp` start from; in Kaldi, the current folder.
        faults: list to add the utterances of audio files that do not exist, and transcripts that are not valid, to,
            instead of an error. These utterances are in the result. If no audio file exists at all, it is an error.

    Raises:
        CorpusError: a file is missing or a line cannot be read; an audio file does not exist or is a command; an
            utterance is missing from one of the files; a segment ends before it starts; the symbols of `phones.ctm`
            are not those of `text`.
    """
    folder = Path(folder)
    segmented = (folder / "segments").exists()
    missing: dict[Path, CorpusError] = {}
    audio = _audio(folder / "wav.scp", Path(audio_root), missing, of_utterances=not segmented)
    if missing and (faults is None or len(missing) == len(set(audio.values()))):
        raise next(iter(missing.values()))
    if segmented:
        spans, source = _segments(folder / "segments", audio), "segments"
    else:
        spans, source = {name: (path, 0.0, None) for name, path in audio.items()}, "wav.scp"
    transcripts: dict[str, tuple[str, ...]] = {}
    for line, name, text in _rows(folder / "text", "utterance symbols"):
        transcripts[require_name(name, folder / "text", line)] = ()
        with collected(faults, name):
            transcripts[name] = parse_transcript(text, folder / "text", line)
    speakers = {
        require_name(name, folder / "utt2spk", line): require_name(text.strip(), folder / "utt2spk", line, "speaker")
        for line, name, text in _rows(folder / "utt2spk", "utterance speaker")
    }
    _same_utterances(folder, {source: spans, "text": transcripts, "utt2spk": speakers})
    if faults is not None:
        faults += [Fault(name, missing[path]) for name, (path, _, _) in sorted(spans.items()) if path in missing]
    times = _times(folder / "phones.ctm", transcripts) if (folder / "phones.ctm").exists() else {}
    utterances = []
    for name, (path, start, end) in sorted(spans.items()):
        phones = timed_phones(times[name], sample_rate_of(path)) if name in times else ()
        transcript = () if phones else transcripts[name]
        utterances.append(
            Utterance(name, speakers[name], path, phones, part=part, transcript=transcript, start_s=start, end_s=end)
        )
    return utterances


def _rows(path: Path, expected: str) -> Iterator[tuple[int, str, str]]:
    """Iterate over the lines: number, first field, rest. A duplicate first field is an error."""
    seen: set[str] = set()
    for line, row in enumerate(read_lines(path, expected), 1):
        if not row.strip():
            continue
        name, *rest = row.split(None, 1)
        if name in seen:
            raise CorpusError(path, line, f"duplicate id {name}; delete one of the lines")
        seen.add(name)
        yield line, name, rest[0].strip() if rest else ""


def _audio(path: Path, audio_root: Path, missing: dict[Path, CorpusError], *, of_utterances: bool) -> dict[str, Path]:
    """Read `wav.scp`: recording -> audio file; without segments, recordings are utterances.

    Audio files that do not exist are added to `missing`.
    """
    found = {}
    for line, name, value in _rows(path, "recording audio-file"):
        if of_utterances:
            require_name(name, path, line)
        if value.endswith("|"):
            why = (
                f"{name} is a command ({value[:60]!r}), which is not run; write its output to a file, and name the file"
            )
            raise CorpusError(path, line, why)
        if not value:
            raise CorpusError(path, line, f"{name} has no audio file; the line must be 'recording audio-file'")
        audio_path = audio_root / value
        if not audio_path.is_file():
            why = "is not a file (but a folder, pipe or device); name one" if audio_path.exists() else "does not exist"
            error = CorpusError(path, line, f"{audio_path} {why}; relative paths start in {audio_root}")
            missing.setdefault(audio_path, error)
        found[name] = audio_path
    return found


def _segments(path: Path, audio: Mapping[str, Path]) -> dict[str, tuple[Path, float, float | None]]:
    """Read `segments`: utterance -> audio file, start and end in seconds; an end of -1 is the end of the recording."""
    found = {}
    for line, name, rest in _rows(path, "utterance recording start end"):
        require_name(name, path, line)
        fields = rest.split()
        if len(fields) != 3:
            raise CorpusError(path, line, f"has {len(fields) + 1} fields; it must be 'utterance recording start end'")
        recording, start, end = fields[0], _seconds(fields[1]), _seconds(fields[2])
        if recording not in audio:
            raise CorpusError(path, line, f"recording {recording} is not in wav.scp; add it there")
        if start is None or end is None or start < 0 or not (end == -1 or end > start):
            times = f"{fields[1]} to {fields[2]}"
            raise CorpusError(
                path,
                line,
                f"lasts from {times}; it must be 0 <= start < end in seconds, or -1 as the end; mend the segment",
            )
        found[name] = audio[recording], start, None if end == -1 else end
    return found


def _times(path: Path, transcripts: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[float, float, str]]]:
    """Read `phones.ctm`: utterance -> start, end and symbol; utterances without a line have no times."""
    found: dict[str, list[tuple[float, float, str]]] = {}
    for line, row in enumerate(read_lines(path, "utterance channel start duration symbol"), 1):
        fields = row.split()
        if not fields:
            continue
        if len(fields) not in (5, 6):
            why = f"has {len(fields)} fields; it must be 'utterance channel start duration symbol'"
            raise CorpusError(path, line, why)
        name, _, start_field, duration_field, symbol = fields[:5]
        start, duration = _seconds(start_field), _seconds(duration_field)
        so_far = found.setdefault(name, [])
        expected = transcripts.get(name, ())
        if len(so_far) >= len(expected) or expected[len(so_far)] != symbol:
            there = f"has {expected[len(so_far)]!r} there" if len(so_far) < len(expected) else "has no such symbol"
            why = (
                f"symbol {len(so_far) + 1} of {name} is {symbol!r}, but text {there}; the symbols must be those of text"
            )
            raise CorpusError(path, line, why)
        if start is None or duration is None or start < 0 or duration < 0 or (so_far and start < so_far[-1][0]):
            why = f"{symbol!r} starts at {start_field} s and lasts {duration_field} s; times must be numbers, in order"
            raise CorpusError(path, line, f"{why}; mend the times")
        so_far.append((start, start + duration, symbol))
    short = [name for name, segments in found.items() if len(segments) < len(transcripts[name])]
    if short:
        why = f"{len(short)} utterances have fewer symbols than in text: {name_utterances(short)}"
        raise CorpusError(path, None, f"{why}; time all of their symbols, or none")
    return found


def _seconds(field: str) -> float | None:
    try:
        value = float(field)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _same_utterances(folder: Path, files: Mapping[str, Iterable[str]]) -> None:
    names = {file: set(found) for file, found in files.items()}
    everyone = set().union(*names.values())
    for file, found in names.items():
        missing = sorted(everyone - found)
        if missing:
            others = next(other for other, there in names.items() if missing[0] in there)
            why = f"lacks {len(missing)} utterances of {others}: {name_utterances(missing)}"
            twins = look_alike_warning(everyone, "names", most=1)
            raise CorpusError(
                folder / file, None, "; ".join(filter(None, (why, "each utterance must be in both files", twins)))
            )
