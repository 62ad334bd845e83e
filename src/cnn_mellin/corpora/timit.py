"""Reading a corpus of TIMIT's layout: `TRAIN|TEST / DR1..DR8 / SPEAKER / PROMPT.{WAV,PHN,TXT,WRD}`.

Names may be in upper or lower case, the audio SPHERE or RIFF, and `TRAIN` and `TEST` up to two folders below the one
that is named. What is wrong is an error that names the file and line; no utterance is skipped. What real copies have
is no error: gaps between phones, words that share samples, a last phone that ends up to 0.1 s after the audio does
(it is cut to the audio), and a converted `SX1.WAV.wav` beside an `SX1.WAV` (it is not read; without the latter it is).
Phones need no `TXT` and `WRD`; a warning says how many are missing.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cnn_mellin.audio.reading import count_samples, read_audio
from cnn_mellin.corpora.utterance import TimedPhone, TimedWord, Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.phone_sets import phone_set
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.nearest import nearest

__all__ = ["SAMPLE_RATE_HZ", "read_timit", "require_timit"]

SAMPLE_RATE_HZ = 16000
LONGEST_OVERHANG = SAMPLE_RATE_HZ // 10  # samples of the last phone after the end of the audio

_PARTS = ("train", "test")
_DEEPEST = 2
_DIALECT = re.compile(r"dr[1-8]")
_SPEAKER = re.compile(r"[fm][a-z]{3}[0-9]")
_PROMPT = re.compile(r"(sa|si|sx)[0-9]+")
_NEEDED = (".wav", ".phn")
_OPTIONAL = (".txt", ".wrd")
_NUMBER = re.compile(r"[0-9]{1,15}")


def read_timit(root: str | Path) -> list[Utterance]:
    """All utterances of a corpus, SA sentences too, sorted by their ids.

    Args:
        root: the folder with `TRAIN` and `TEST`, or one or two above it.

    Returns:
        Utterances with phones of the 61 set, times in samples at 16 kHz, `part` being `train` or `test`; ids are
        `speaker-prompt` in lower case. Sentences and words are empty where there is no `TXT` or `WRD`, which a
        warning counts.

    Raises:
        CorpusError: there is no such folder or nothing in it; a file is missing, double or of an unknown name; a line
            cannot be read, has reversed or overlapping times, an unknown label, or times after the end of the audio;
            a speaker is in both parts.
        AudioError: the header of an audio file cannot be read.
    """
    utterances: dict[str, Utterance] = {}
    homes: dict[str, Path] = {}
    missing: Counter[str] = Counter()
    for part, folder in _parts(Path(root)):
        for speaker, dialect, home in _speakers(folder):
            first = homes.setdefault(speaker, home)
            if first != home:
                raise CorpusError(home, None, f"is speaker {speaker} once more, after {first}; delete or rename one")
            for prompt, files in _prompts(home):
                utterance = _utterance(f"{speaker}-{prompt}", speaker, dialect, part, files)
                utterances[utterance.utterance_id] = utterance
                missing.update(suffix for suffix in _OPTIONAL if suffix not in files)
    if not utterances:
        raise CorpusError(root, None, "holds no utterance (TRAIN/DR1/SPEAKER/PROMPT.WAV); is it the right folder?")
    if missing:
        lacking = " and ".join(f"{count} .{suffix[1:].upper()} files" for suffix, count in sorted(missing.items()))
        warnings.warn(
            f"{root}: {lacking} of {len(utterances)} utterances are missing; phones do not need them", stacklevel=2
        )
    return [utterances[key] for key in sorted(utterances)]


def require_timit(root: str | Path) -> None:
    """Check that a folder has TIMIT's layout as far as its first folders, at no cost.

    Raises:
        CorpusError: it has not.
    """
    _parts(Path(root))


def _parts(root: Path) -> list[tuple[str, Path]]:
    """The folders TRAIN and TEST, in that order, as far as they are there."""
    if not root.is_dir():
        why = "is no folder" if root.exists() else "does not exist"
        raise CorpusError(root, None, f"{why}; name the folder that holds TRAIN and TEST")
    level = [root]
    for _ in range(_DEEPEST + 1):
        holders = [folder for folder in level if any(child.name.lower() in _PARTS for child in _folders(folder))]
        if len(holders) > 1:
            raise CorpusError(root, None, f"holds two corpora, {holders[0]} and {holders[1]}; name one of them")
        if holders:
            found = [(child.name.lower(), child) for child in _folders(holders[0]) if child.name.lower() in _PARTS]
            for part in _PARTS:
                copies = [folder.name for name, folder in found if name == part]
                if len(copies) > 1:
                    raise CorpusError(holders[0], None, f"holds {' and '.join(copies)}; delete one of them")
            return sorted(found, reverse=True)
        level = [child for folder in level for child in _folders(folder)]
    raise CorpusError(
        root,
        None,
        "holds no folder TRAIN or TEST, nor do the two levels of folders below it; is it the right folder?",
    )


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _speakers(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Speaker, dialect and folder of each speaker of a part."""
    for dialect in _folders(folder):
        if not _DIALECT.fullmatch(dialect.name.lower()):
            raise CorpusError(
                dialect, None, "is no dialect region; folders here are named DR1 to DR8; rename or delete it"
            )
        for home in _folders(dialect):
            speaker = home.name.lower()
            if not _SPEAKER.fullmatch(speaker):
                rule = "F or M, three letters and a digit (FCJF0)"
                raise CorpusError(home, None, f"is no name of a speaker, which is {rule}; rename or delete it")
            yield speaker, dialect.name.lower(), home


def _prompts(home: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    """Each prompt of a speaker with its files by suffix."""
    prompts: dict[str, dict[str, Path]] = {}
    for path in sorted(home.iterdir()):
        suffix, prompt = path.suffix.lower(), path.stem.lower()
        if suffix not in (*_NEEDED, *_OPTIONAL) or path.name.startswith("."):
            continue
        if prompt.endswith(".wav") and suffix == ".wav":
            if path.with_suffix("").exists():
                continue  # the copy that sph2pipe users keep beside the original
            prompt = prompt.removesuffix(".wav")
        if not _PROMPT.fullmatch(prompt):
            raise CorpusError(
                path, None, "is no name of a prompt, which is SA, SI or SX and a number; rename or delete it"
            )
        other = prompts.setdefault(prompt, {}).setdefault(suffix, path)
        if other != path:
            raise CorpusError(path, None, f"is {prompt}{suffix} once more, after {other.name}; delete one of them")
    if not prompts:
        raise CorpusError(home, None, "holds no utterance; copy the speaker again or delete the folder")
    for prompt, files in prompts.items():
        missing = [suffix for suffix in _NEEDED if suffix not in files]
        if missing:
            there = next(iter(files.values()))
            upper = there.suffix.isupper()
            names = " and ".join(there.stem + (suffix.upper() if upper else suffix) for suffix in missing)
            verb = "is" if len(missing) == 1 else "are"
            raise CorpusError(home, None, f"{names} {verb} missing beside {there.name}; copy the corpus again")
        yield prompt, files


def _utterance(utterance_id: str, speaker: str, dialect: str, part: str, files: dict[str, Path]) -> Utterance:
    phones = _phones(files[".phn"], files[".wav"])
    rows = _rows(files[".txt"]) if ".txt" in files else []
    if ".txt" in files and len(rows) != 1:
        raise CorpusError(files[".txt"], None, f"has {len(rows)} lines; it must have one: 0, the last sample, the text")
    words = _rows(files[".wrd"]) if ".wrd" in files else []
    return Utterance(
        utterance_id=utterance_id,
        speaker=speaker,
        audio_path=files[".wav"],
        phones=phones,
        gender=speaker[0],
        dialect=dialect,
        part=part,
        text=rows[0][3] if rows else "",
        words=tuple(TimedWord(word, first, end) for _, first, end, word in words),
    )


def _rows(path: Path) -> list[tuple[int, int, int, str]]:
    """Line number, first sample, end sample and the rest of each line."""
    rows = []
    for number, row in enumerate(read_lines(path, CorpusError, expected="lines 'first sample, end sample, text'"), 1):
        fields = row.split(None, 2)
        if not fields:
            continue
        if len(fields) < 3 or not all(map(_NUMBER.fullmatch, fields[:2])):
            rule = "it must be first sample, end sample, text"
            raise CorpusError(path, number, f"cannot be read: {row[:60]!r}; {rule}")
        first, end = int(fields[0]), int(fields[1])
        if end < first:
            raise CorpusError(path, number, f"ends at {end}, before it begins at {first}")
        rows.append((number, first, end, fields[2].strip()))
    if not rows:
        raise CorpusError(path, None, "is empty; copy it from the corpus again")
    return rows


def _phones(path: Path, audio_path: Path) -> tuple[TimedPhone, ...]:
    known = phone_set(61)
    length = count_samples(audio_path, sample_rate_hz=SAMPLE_RATE_HZ)
    phones: list[TimedPhone] = []
    for line, first, end, label in _rows(path):
        if label not in known:
            raise CorpusError(path, line, f"{label!r} is none of TIMIT's 61 phones; {nearest(label, known)}")
        if phones and first < phones[-1].end_sample:
            before = phones[-1]
            raise CorpusError(
                path, line, f"{label} begins at {first}, before {before.end_sample}, where {before.symbol} ends"
            )
        if first >= length or end > length + LONGEST_OVERHANG:
            read_audio(audio_path)  # which says so where it is the audio that is wrong
            raise CorpusError(
                path, line, f"{label} lasts from {first} to {end}, but {audio_path.name} has {length} samples"
            )
        phones.append(TimedPhone(label, first, min(end, length)))
    return tuple(phones)
