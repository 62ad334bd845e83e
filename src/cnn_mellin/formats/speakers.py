"""Who spoke an utterance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import require_identifier
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.utterance_names import name_utterances

__all__ = ["read_speakers", "speakers_from_names", "speakers_of"]


def speakers_from_names(utterance_ids: Iterable[str]) -> dict[str, str]:
    """Utterance -> speaker, for names like `fcjf0-si1027`: what comes before the first hyphen.

    Raises:
        DataError: a name has no hyphen, or nothing before it.

    >>> speakers_from_names(["fcjf0-si1027"])
    {'fcjf0-si1027': 'fcjf0'}
    """
    utterance_ids = list(utterance_ids)
    nameless = [name for name in utterance_ids if not name.partition("-")[0] or "-" not in name]
    if nameless:
        raise DataError(
            f"{len(nameless)} utterances are not named speaker-prompt, so their speakers are not known: "
            f"{name_utterances(nameless)}; name the speakers in a file with lines 'utterance speaker'"
        )
    return {name: name.partition("-")[0] for name in utterance_ids}


def speakers_of(utterance_ids: Iterable[str], folder: Path, utt2spk: Path | None = None) -> dict[str, str]:
    """Utterance -> speaker, by a file or by the names of the utterances.

    Args:
        utterance_ids: utterances whose speakers are wanted.
        folder: folder of the references, whose `utt2spk` is read where there is one and no other file is given.
        utt2spk: file with lines `utterance speaker`.

    Raises:
        DataError: as `read_speakers` and `speakers_from_names`.
    """
    if utt2spk is None and (folder / "utt2spk").exists():
        utt2spk = folder / "utt2spk"
    return read_speakers(utt2spk) if utt2spk else speakers_from_names(utterance_ids)


def read_speakers(path: str | Path) -> dict[str, str]:
    """Utterance -> speaker, from a file with lines `utterance speaker` (`ext/utt2spk` of a data directory).

    Raises:
        DataError: the file cannot be read, a line is not two identifiers, or an utterance is there twice.
    """
    speaker_of: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, expected="lines 'utterance speaker'"), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2:
            raise DataError(f"{path}:{number}: {line[:60]!r} is not 'utterance speaker'")
        if fields[0] in speaker_of:
            raise DataError(f"{path}:{number}: utterance {fields[0]} is there a second time")
        name, speaker = (
            require_identifier(field, what, f"{path}:{number}")
            for field, what in zip(fields, ("utterance", "speaker"), strict=True)
        )
        speaker_of[name] = speaker
    return speaker_of
