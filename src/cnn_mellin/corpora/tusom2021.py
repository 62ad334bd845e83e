"""Reading tusom2021 (Mortensen et al., 2021): words of East Tusom, a Tibeto-Burman language, in narrow IPA by hand."""

from __future__ import annotations

import unicodedata
import warnings
from pathlib import Path

from cnn_mellin.corpora.corpus_counts import require_counts
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.ipa import ipa_phones
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import parse_yaml, read_text
from cnn_mellin.formats.transcript_symbols import parse_transcript, require_name

__all__ = ["FULL_COUNTS", "read_tusom2021"]

FULL_COUNTS = {"train utterances": 1578, "dev utterances": 230, "test utterances": 447}
"""Counts of the corpus as its authors distribute it."""

_SPEAKER = "tusom"
_TONES = frozenset("\u0300\u0301\u0302\u0304\u030b\u030c\u030f")  # grave, acute, circumflex, macron, ...
_SHAPE = {str: {"no_tones": str}}


def read_tusom2021(root: str | Path, *, partial: bool = False) -> dict[str, list[Utterance]]:
    """Read the corpus in its authors' partitions, with phones without tones.

    The transcripts (`no_tones`) are split into phones by `ipa_phones`. The few tone marks and control characters that
    are left in them are removed, with a warning.

    Args:
        root: folder that holds `data`, or that folder.
        partial: accept a corpus with other counts.

    Returns:
        Utterances of `train`, `dev` and `test`, named as their files. Speakers are not known: all are `tusom`.

    Raises:
        CorpusError: a file is missing or not valid, an utterance is in two partitions, or the counts are not those of
            the whole corpus.

    Warns:
        UserWarning: characters that are not of a phone were removed.
    """
    root = Path(root)
    folder = root / "data" if (root / "data").is_dir() else root
    partitions: dict[str, list[Utterance]] = {}
    file_of: dict[str, Path] = {}
    removed: dict[str, list[str]] = {}
    for partition in ("train", "dev", "test"):
        path = folder / f"{partition}.yml"
        content = parse_yaml(read_text(path, CorpusError, expected="transcripts as YAML"), path, CorpusError)
        fault = shape_fault(content, _SHAPE)
        if fault is not None or not content:
            raise CorpusError(path, None, f"{fault or 'is empty'}; copy the file again")
        partitions[partition] = []
        for file_name, entry in sorted(content.items()):
            name = require_name(Path(file_name).stem, path, None)
            if name in file_of:
                raise CorpusError(path, None, f"utterance {name} is also in {file_of[name]}; copy the corpus again")
            file_of[name] = path
            phones, characters = _phones(entry["no_tones"])
            for character in characters:
                removed.setdefault(character, []).append(name)
            transcript = parse_transcript(" ".join(phones), path, None)
            gloss = str(entry.get("gloss", ""))
            audio = folder / "wav" / file_name
            utterance = Utterance(name, _SPEAKER, audio, (), part=partition, text=gloss, transcript=transcript)
            partitions[partition].append(utterance)
    if removed:
        named = ", ".join(f"{_named(character)} {len(names)} times" for character, names in sorted(removed.items()))
        warnings.warn(f"{folder}: removed from transcripts, as part of no phone: {named}", stacklevel=2)
    if not partial:
        found = dict(zip(FULL_COUNTS, (len(utterances) for utterances in partitions.values()), strict=True))
        require_counts(root, "tusom2021", found, FULL_COUNTS)
    return partitions


def _phones(text: str) -> tuple[list[str], list[str]]:
    """Phones of a transcript, and the characters that were removed from it."""
    decomposed = unicodedata.normalize("NFD", text)
    removed = [character for character in decomposed if character in _TONES or unicodedata.category(character) == "Cc"]
    return ipa_phones("".join(character for character in decomposed if character not in removed)), removed


def _named(character: str) -> str:
    return unicodedata.name(character, f"control character {ord(character):#04x}").lower()
