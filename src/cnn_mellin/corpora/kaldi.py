"""Reading Kaldi's data folders: `wav.scp`, `text`, `utt2spk`, and `segments` where recordings hold several utterances.

`wav.scp` names audio files; a command that would produce audio (`sph2pipe ... |`) is refused, not run. The symbols of
`text` are what a model recognises: phones, characters, any units that white space divides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.look_alikes import look_alike_warning
from cnn_mellin.formats.transcript_symbols import parse_transcript, read_lines, require_name
from cnn_mellin.utterance_names import name_utterances

__all__ = ["kaldi_parts", "read_kaldi", "read_kaldi_parts"]

_PARTS = ("train", "dev", "test")


def read_kaldi_parts(
    root: str | Path, folders: Mapping[str, str] | None = None, *, audio_root: str | Path = "."
) -> dict[str, list[Utterance]]:
    """All parts of a corpus: those of `kaldi_parts`, each as `read_kaldi` reads it.

    Raises:
        CorpusError: a part is wrong, or an utterance is in two of them.
    """
    parts: dict[str, list[Utterance]] = {}
    part_of: dict[str, str] = {}
    for part, folder in kaldi_parts(root, folders).items():
        parts[part] = read_kaldi(folder, part=part, audio_root=audio_root)
        for utterance in parts[part]:
            name = utterance.utterance_id
            other = part_of.setdefault(name, part)
            if other != part:
                raise CorpusError(folder, None, f"utterance {name} is in part {other}, too; delete one, or rename it")
    return parts


def kaldi_parts(root: str | Path, folders: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Folder of each part of a corpus.

    Args:
        root: a folder with a `wav.scp`, which then is the part `train`; or one whose sub-folders have them.
        folders: part -> name of its sub-folder; by default those of `train`, `dev` and `test` that are there.

    Raises:
        CorpusError: there is none, or the one of `train` is missing.
    """
    root = Path(root)
    if not root.is_dir():
        raise CorpusError(root, None, f"{'is no folder' if root.exists() else 'does not exist'}; name one with wav.scp")
    if not folders and (root / "wav.scp").exists():
        return {"train": root}
    wanted = folders or {part: part for part in _PARTS if (root / part).is_dir()}
    found = {part: root / name for part, name in wanted.items()}
    if "train" not in found:
        why = "has neither a wav.scp nor a folder train; name the folders with --parts train=FOLDER dev=FOLDER"
        raise CorpusError(root, None, why)
    return found


def read_kaldi(folder: str | Path, *, part: str = "train", audio_root: str | Path = ".") -> list[Utterance]:
    """All utterances of a Kaldi data folder, sorted by their ids.

    Args:
        folder: with `wav.scp`, `text`, `utt2spk` and perhaps `segments`.
        part: what it is a part of, for the records.
        audio_root: where relative paths of `wav.scp` start; Kaldi has the current folder.

    Raises:
        CorpusError: a file is missing or a line cannot be read; an audio file does not exist or is a command; an
            utterance is in one file and not in another; a segment ends before it starts.
    """
    folder = Path(folder)
    segmented = (folder / "segments").exists()
    audio = _audio(folder / "wav.scp", Path(audio_root), of_utterances=not segmented)
    if segmented:
        spans, source = _segments(folder / "segments", audio), "segments"
    else:
        spans, source = {name: (path, 0.0, None) for name, path in audio.items()}, "wav.scp"
    transcripts = {
        require_name(name, folder / "text", line): parse_transcript(text, folder / "text", line)
        for line, name, text in _rows(folder / "text", "utterance symbols")
    }
    speakers = {
        require_name(name, folder / "utt2spk", line): require_name(text.strip(), folder / "utt2spk", line, "speaker")
        for line, name, text in _rows(folder / "utt2spk", "utterance speaker")
    }
    _same_utterances(folder, {source: spans, "text": transcripts, "utt2spk": speakers})
    return [
        Utterance(name, speakers[name], path, (), part=part, transcript=transcripts[name], start_s=start, end_s=end)
        for name, (path, start, end) in sorted(spans.items())
    ]


def _rows(path: Path, expected: str) -> Iterator[tuple[int, str, str]]:
    """Line number, first field and the rest of each line, no first field twice."""
    seen: set[str] = set()
    for line, row in enumerate(read_lines(path, expected), 1):
        if not row.strip():
            continue
        name, *rest = row.split(None, 1)
        if name in seen:
            raise CorpusError(path, line, f"{name} is there a second time; delete one of the lines")
        seen.add(name)
        yield line, name, rest[0].strip() if rest else ""


def _audio(path: Path, audio_root: Path, *, of_utterances: bool) -> dict[str, Path]:
    """Recording -> audio file; where there are no segments, recordings are utterances."""
    found = {}
    for line, name, value in _rows(path, "recording audio-file"):
        if of_utterances:
            require_name(name, path, line)
        if value.endswith("|"):
            why = f"{name} is a command ({value[:60]!r}), which is not run; write its output to a file and name that"
            raise CorpusError(path, line, why)
        if not value:
            raise CorpusError(path, line, f"{name} has no audio file; the line must be 'recording audio-file'")
        audio_path = audio_root / value
        if not audio_path.is_file():
            why = "is no file (a folder, pipe or device); name one" if audio_path.exists() else "does not exist"
            raise CorpusError(path, line, f"{audio_path} {why}; relative paths start in {audio_root}")
        found[name] = audio_path
    return found


def _segments(path: Path, audio: Mapping[str, Path]) -> dict[str, tuple[Path, float, float | None]]:
    """Utterance -> audio file, start and end in seconds; Kaldi's end of -1 is the recording's."""
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
            raise CorpusError(path, line, f"lasts from {times}; it must be 0 <= start < end in seconds, or -1 as end")
        found[name] = audio[recording], start, None if end == -1 else end
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
            why = f"lacks {len(missing)} utterances that {others} has: {name_utterances(missing)}"
            twins = look_alike_warning(everyone, "names", most=1)
            raise CorpusError(
                folder / file, None, "; ".join(filter(None, (why, "each utterance must be in both", twins)))
            )
