"""Reading a corpus in TIMIT's layout: `TRAIN|TEST / DR1..DR8 / SPEAKER / PROMPT.{WAV,PHN,TXT,WRD}`.

Names may be in upper or lower case, audio may be SPHERE or RIFF, and `TRAIN` and `TEST` may lie up to two folders below
the given one. Every fault is an error that names the file and line; no utterance is skipped. Common properties of real
copies are accepted: gaps between phones, words that share samples, a last phone that ends up to 0.1 s after the audio
(it is cut), and a converted `SX1.WAV.wav` (read only if there is no `SX1.WAV`). `TXT` and `WRD` files are optional; a
warning gives the number of missing ones.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cnn_mellin.audio.reading import count_samples, read_audio
from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.utterance import TimedPhone, TimedWord, Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.phone_sets import phone_set
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.nearest import nearest

__all__ = ["SAMPLE_RATE_HZ", "read_timit", "require_timit"]

SAMPLE_RATE_HZ = 16000
LONGEST_OVERHANG = SAMPLE_RATE_HZ // 10  # samples by which the last phone may exceed the audio

_PARTS = ("train", "test")  # folders of a corpus in lower case, not partitions
_DEEPEST = 2
_DIALECT = re.compile(r"dr[1-8]")
_SPEAKER = re.compile(r"[fm][a-z]{3}[0-9]")
_PROMPT = re.compile(r"(sa|si|sx)[0-9]+")
_NEEDED = (".wav", ".phn")
_OPTIONAL = (".txt", ".wrd")
_NUMBER = re.compile(r"[0-9]{1,15}")


def read_timit(root: str | Path, *, resample: bool = False, faults: list[Fault] | None = None) -> list[Utterance]:
    """Read all utterances of a corpus, including the SA sentences, sorted by id.

    Args:
        root: folder that holds `TRAIN` and `TEST`, or a folder one or two levels above.
        resample: accept audio of another sample rate; times refer to 16 kHz all the same.
        faults: list to add faults of single utterances to, instead of an error: a missing file, audio whose header
            cannot be read, lines that are not valid. These utterances are in the result, some without phones.

    Returns:
        Utterances with phones of the 61 set and times in samples at 16 kHz. `part` is `train` or `test`; ids are
        `speaker-prompt` in lower case. Sentences and words are empty if there is no `TXT` or `WRD` file.

    Raises:
        CorpusError: the folder does not exist or holds no corpus; a file is missing, duplicate or has an unknown name;
            a line cannot be read, has reversed or overlapping times, an unknown phone, or times after the end of the
            audio; a speaker is in both TRAIN and TEST.
        AudioError: the header of an audio file cannot be read.
    """
    utterances: dict[str, Utterance] = {}
    homes: dict[str, Path] = {}
    missing: Counter[str] = Counter()
    for part, folder in _parts(Path(root)):
        for speaker, dialect, home in _speakers(folder):
            first = homes.setdefault(speaker, home)
            if first != home:
                raise CorpusError(home, None, f"duplicate speaker {speaker}, as in {first}; delete or rename one")
            for prompt, files in _prompts(home):
                utterance = _utterance(f"{speaker}-{prompt}", speaker, dialect, part, files, resample, faults)
                utterances[utterance.utterance_id] = utterance
                missing.update(suffix for suffix in _OPTIONAL if suffix not in files)
    if not utterances:
        raise CorpusError(root, None, "holds no utterance (TRAIN/DR1/SPEAKER/PROMPT.WAV); is it the right folder?")
    if missing:
        lacking = " and ".join(f"{count} .{suffix[1:].upper()} files" for suffix, count in sorted(missing.items()))
        warnings.warn(f"{root}: {lacking} of {len(utterances)} utterances are missing; they are optional", stacklevel=2)
    return [utterances[key] for key in sorted(utterances)]


def require_timit(root: str | Path) -> None:
    """Check quickly that a folder has the top folders of TIMIT's layout.

    Raises:
        CorpusError: the folder does not have them.
    """
    _parts(Path(root))


def _parts(root: Path) -> list[tuple[str, Path]]:
    """Find the folders TRAIN and TEST, in that order; one of them may be missing."""
    if not root.is_dir():
        why = "is not a folder" if root.exists() else "does not exist"
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
        "holds no folder TRAIN or TEST (searched two levels deep); is it the right folder?",
    )


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _speakers(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Iterate over the speakers of TRAIN or TEST: name, dialect, folder."""
    for dialect in _folders(folder):
        if not _DIALECT.fullmatch(dialect.name.lower()):
            raise CorpusError(dialect, None, "is not a dialect region (DR1 to DR8); rename or delete it")
        for home in _folders(dialect):
            speaker = home.name.lower()
            if not _SPEAKER.fullmatch(speaker):
                rule = "F or M, three letters and a digit (FCJF0)"
                raise CorpusError(home, None, f"is not the name of a speaker, {rule}; rename or delete it")
            yield speaker, dialect.name.lower(), home


def _prompts(home: Path) -> Iterator[tuple[str, dict[str, Path]]]:
    """Iterate over the prompts of a speaker: name, and suffix -> file."""
    prompts: dict[str, dict[str, Path]] = {}
    for path in sorted(home.iterdir()):
        suffix, prompt = path.suffix.lower(), path.stem.lower()
        if suffix not in (*_NEEDED, *_OPTIONAL) or path.name.startswith("."):
            continue
        if prompt.endswith(".wav") and suffix == ".wav":
            if path.with_suffix("").exists():
                continue  # a converted copy beside the original
            prompt = prompt.removesuffix(".wav")
        if not _PROMPT.fullmatch(prompt):
            raise CorpusError(path, None, "is not the name of a prompt, SA, SI or SX and a number; rename or delete it")
        other = prompts.setdefault(prompt, {}).setdefault(suffix, path)
        if other != path:
            raise CorpusError(path, None, f"duplicate file {prompt}{suffix}, as {other.name}; delete one of them")
    if not prompts:
        raise CorpusError(home, None, "holds no utterance; copy the speaker again or delete the folder")
    yield from prompts.items()


def _require_files(files: dict[str, Path]) -> None:
    missing = [suffix for suffix in _NEEDED if suffix not in files]
    if missing:
        there = next(iter(files.values()))
        upper = there.suffix.isupper()
        names = " and ".join(there.stem + (suffix.upper() if upper else suffix) for suffix in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise CorpusError(there.parent, None, f"{names} {verb} missing beside {there.name}; copy the corpus again")


def _utterance(
    utterance_id: str,
    speaker: str,
    dialect: str,
    part: str,
    files: dict[str, Path],
    resample: bool,
    faults: list[Fault] | None,
) -> Utterance:
    phones: tuple[TimedPhone, ...] = ()
    rows: list[tuple[int, int, int, str]] = []
    words: list[tuple[int, int, int, str]] = []
    with collected(faults, utterance_id):
        _require_files(files)
        phones = _phones(files[".phn"], files[".wav"], resample)
        rows = _rows(files[".txt"]) if ".txt" in files else []
        if ".txt" in files and len(rows) != 1:
            raise CorpusError(files[".txt"], None, f"has {len(rows)} lines; it must have one: '0 LAST_SAMPLE TEXT'")
        words = _rows(files[".wrd"]) if ".wrd" in files else []
    return Utterance(
        utterance_id=utterance_id,
        speaker=speaker,
        audio_path=files.get(".wav", next(iter(files.values()))),
        phones=phones,
        gender=speaker[0],
        dialect=dialect,
        part=part,
        text=rows[0][3] if rows else "",
        words=tuple(TimedWord(word, first, end) for _, first, end, word in words),
        sample_rate_hz=SAMPLE_RATE_HZ,
    )


def _rows(path: Path) -> list[tuple[int, int, int, str]]:
    """Line number, first sample, end sample and text of each line."""
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
            raise CorpusError(path, number, f"ends at sample {end}, before it begins at {first}; correct the times")
        rows.append((number, first, end, fields[2].strip()))
    if not rows:
        raise CorpusError(path, None, "is empty; copy it from the corpus again")
    return rows


def _phones(path: Path, audio_path: Path, resample: bool) -> tuple[TimedPhone, ...]:
    known = phone_set(61)
    length = count_samples(audio_path, sample_rate_hz=SAMPLE_RATE_HZ, resample=resample)
    phones: list[TimedPhone] = []
    for line, first, end, label in _rows(path):
        if label not in known:
            raise CorpusError(path, line, f"{label!r} is not one of TIMIT's 61 phones; {nearest(label, known)}")
        if phones and first < phones[-1].end_sample:
            before = phones[-1]
            why = f"{label} begins at sample {first}, before {before.symbol} ends at {before.end_sample}"
            raise CorpusError(path, line, f"{why}; correct the times")
        if first >= length or end > length + LONGEST_OVERHANG:
            if not resample:
                read_audio(audio_path)  # raises its own error if the audio is truncated
            why = f"{label} lasts from sample {first} to {end}, but {audio_path.name} has {length} samples"
            raise CorpusError(path, line, f"{why}; copy both again")
        phones.append(TimedPhone(label, first, min(end, length)))
    return tuple(phones)
