"""TIMIT, and corpora of its layout: `TRAIN|TEST / DR1..DR8 / SPEAKER / PROMPT.{WAV,PHN,TXT,WRD}`.

Names may be in upper or lower case, and the tree may lie some folders further down.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cnn_mellin.corpora.phone_sets import folding_to
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.nearest import nearest

__all__ = ["read_timit"]

_EXTENSIONS = (".wav", ".phn", ".txt", ".wrd")
_DEEPEST = 3
_DIALECT = re.compile(r"dr[1-8]$")


def read_timit(root: str | Path) -> list[Utterance]:
    """Every utterance of a corpus, sorted by part, speaker and prompt; audio is not opened yet.

    Args:
        root: the folder that holds TRAIN and TEST, or one above it.

    Raises:
        CorpusError: there is no such folder or no utterance in it, a file is missing or has no twin of the other
            three kinds, a line cannot be read, times overlap or run backwards, a label is none of the 61, or an
            utterance or speaker is there twice.
    """
    root = Path(root)
    if not root.is_dir():
        raise CorpusError(root, None, "there is no such folder; name the one that holds TRAIN and TEST")
    tree = _tree(root, _DEEPEST)
    if tree is None:
        raise CorpusError(root, None, "holds no folders TRAIN and TEST (in upper or lower case); is this a TIMIT tree?")
    utterances = [utterance for part in ("train", "test") for utterance in _part(tree[part], part)]
    if not utterances:
        raise CorpusError(root, None, "holds no utterance under TRAIN|TEST/DR1..DR8/SPEAKER; the corpus is empty")
    _check_once(utterances)
    return utterances


def read_segments(path: Path) -> Iterator[tuple[int, int, int, str]]:
    """Line number, first sample, end sample and label of each line of a .PHN, .WRD or .TXT file.

    Raises:
        CorpusError: the file cannot be read or is empty, or a line is not two samples and a label.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CorpusError(path, None, "is not text; copy it from the corpus again") from None
    except OSError as error:
        raise CorpusError(path, None, f"cannot be read ({error.strerror})") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise CorpusError(path, None, "is empty; copy it from the corpus again")
    for number, line in lines:
        fields = line.split(maxsplit=2)
        if len(fields) != 3 or not (fields[0].isdecimal() and fields[1].isdecimal()):
            raise CorpusError(path, number, f"{line[:60]!r} is not 'first-sample end-sample label'")
        yield number, int(fields[0]), int(fields[1]), fields[2].strip()


def _read_phones(path: Path) -> tuple[TimedPhone, ...]:
    phones: list[TimedPhone] = []
    known = folding_to(61)
    for number, first, end, label in read_segments(path):
        if label not in known:
            raise CorpusError(path, number, f"label {label!r} is none of TIMIT's 61; {nearest(label, known)}")
        if end <= first:
            raise CorpusError(path, number, f"ends at sample {end}, but begins at {first}; times must rise")
        if phones and first < phones[-1].end_sample:
            last = phones[-1].end_sample
            raise CorpusError(path, number, f"begins at sample {first}, but the phone before it ends at {last}")
        phones.append(TimedPhone(label, first, end))
    return tuple(phones)


def _tree(folder: Path, depth: int) -> dict[str, Path] | None:
    """The folders TRAIN and TEST, at or below a folder."""
    folders = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    by_name = {entry.name.lower(): entry for entry in folders}
    if "train" in by_name and "test" in by_name:
        return {"train": by_name["train"], "test": by_name["test"]}
    if depth:
        for entry in folders:
            found = _tree(entry, depth - 1)
            if found is not None:
                return found
    return None


def _part(folder: Path, part: str) -> Iterator[Utterance]:
    for dialect in _sorted_folders(folder):
        if not _DIALECT.match(dialect.name.lower()):
            continue
        for speaker in _sorted_folders(dialect):
            yield from _speaker(speaker, dialect.name.lower(), part)


def _speaker(folder: Path, dialect: str, part: str) -> Iterator[Utterance]:
    speaker = folder.name.lower()
    prompts: dict[str, dict[str, Path]] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = Path(entry.path)
            extension = path.suffix.lower()
            if extension not in _EXTENSIONS:
                continue
            files = prompts.setdefault(path.stem.lower(), {})
            if extension in files:
                raise CorpusError(path, None, f"is there twice, the other is {files[extension].name}; delete one")
            files[extension] = path
    for prompt, files in sorted(prompts.items()):
        for extension in _EXTENSIONS:
            if extension not in files:
                there = next(iter(files.values()))
                missing = there.with_suffix(extension.upper() if there.suffix.isupper() else extension)
                raise CorpusError(missing, None, f"is missing, though {there.name} is there; copy it from the corpus")
        for extension in (".txt", ".wrd"):
            for _ in read_segments(files[extension]):
                pass
        yield Utterance(
            f"{speaker}-{prompt}",
            speaker,
            files[".wav"],
            _read_phones(files[".phn"]),
            gender=speaker[0],
            dialect=dialect,
            part=part,
        )


def _sorted_folders(folder: Path) -> list[Path]:
    return sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: entry.name.lower())


def _check_once(utterances: list[Utterance]) -> None:
    places: dict[str, Path] = {}
    for utterance in utterances:
        place = utterance.audio_path.parent
        if places.setdefault(utterance.speaker, place) != place:
            raise CorpusError(
                place,
                None,
                f"speaker {utterance.speaker} is also in {places[utterance.speaker]}; delete one of the two",
            )
