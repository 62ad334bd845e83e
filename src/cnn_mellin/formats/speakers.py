"""The speakers of utterances."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import identifier_fault, require_identifier
from cnn_mellin.formats.text_file import read_lines
from cnn_mellin.utterance_names import name_utterances

__all__ = ["read_speakers", "speakers_from_names", "speakers_of"]


def speakers_from_names(utterance_ids: Iterable[str]) -> dict[str, str]:
    """Map utterances to speakers by their ids, such as `fcjf0-si1027`: the part before the first hyphen.

    Raises:
        DataError: an id has no hyphen, or nothing before it.

    >>> speakers_from_names(["fcjf0-si1027"])
    {'fcjf0-si1027': 'fcjf0'}
    """
    utterance_ids = list(utterance_ids)
    nameless = [name for name in utterance_ids if not name.partition("-")[0] or "-" not in name]
    if nameless:
        raise DataError(
            f"{len(nameless)} utterances are not named speaker-prompt, so their speakers are unknown: "
            f"{name_utterances(nameless)}; name the speakers in a file with lines 'utterance speaker'"
        )
    return {name: name.partition("-")[0] for name in utterance_ids}


def speakers_of(utterance_ids: Iterable[str], folder: Path, utt2spk: Path | None = None) -> dict[str, str]:
    """Map utterances to speakers by a file, or by their ids if there is no file.

    Args:
        utterance_ids: utterances to map.
        folder: folder of the references; its `utt2spk` is read if it exists and no other file is given.
        utt2spk: file with lines `utterance speaker`.

    Raises:
        DataError: as for `read_speakers` and `speakers_from_names`.
    """
    if utt2spk is None and (folder / "utt2spk").exists():
        utt2spk = folder / "utt2spk"
    return read_speakers(utt2spk) if utt2spk else speakers_from_names(utterance_ids)


def read_speakers(path: str | Path) -> dict[str, str]:
    """Map utterances to speakers by a file with lines `utterance speaker` (`ext/utt2spk` of a data directory).

    Raises:
        DataError: the file cannot be read, a line is not two identifiers, or an utterance id is duplicate.
    """
    speaker_of: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, expected="lines 'utterance speaker'"), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != 2:
            raise DataError(f"{path}:{number}: {line[:60]!r} is not 'utterance speaker'")
        if fields[0] in speaker_of:
            raise DataError(f"{path}:{number}: duplicate utterance id {fields[0]}; delete one of the lines")
        name, speaker = fields
        if identifier_fault(name) is not None or identifier_fault(speaker) is not None:
            require_identifier(name, "utterance", f"{path}:{number}")
            require_identifier(speaker, "speaker", f"{path}:{number}")
        speaker_of[name] = speaker
    return speaker_of
