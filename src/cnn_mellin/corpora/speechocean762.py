"""Reading speechocean762 (Zhang et al., 2021) as distributed: English read by 250 speakers of Mandarin."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnn_mellin.corpora.corpus_counts import require_counts
from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.held_out_speakers import held_out_speakers
from cnn_mellin.corpora.kaldi import read_kaldi
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.arpabet import arpabet_to_ipa, without_stress
from cnn_mellin.formats.json_shape import shape_fault
from cnn_mellin.formats.text_file import parse_json, read_text
from cnn_mellin.formats.transcript_symbols import read_lines

__all__ = ["FULL_COUNTS", "UNRECOGNISABLE", "read_speechocean762"]

FULL_COUNTS = {"speakers": 250, "training utterances": 2500, "test utterances": 2500, "phones": 94445}
"""Counts of the corpus as its authors distribute it."""

UNRECOGNISABLE = "SPN"
"""Symbol of a perceived sound that is no phone of English."""

_DEV_PROPORTION = 0.1
_YOUNGEST_ADULT = 16  # the corpus has children up to 15 and adults from 19
_POSITION = re.compile(r"_[BIES]$")
_PLACES = ("resource/scores.json", "scores.json")
_WORD = {"phones": (str, [str]), "mispronunciations?": [{"index": int, "pronounced-phone": str}]}
_SCORES = {str: {"words": [_WORD]}}


def read_speechocean762(
    root: str | Path,
    *,
    adults: bool = False,
    perceived: bool = False,
    partial: bool = False,
    faults: list[Fault] | None = None,
) -> dict[str, list[Utterance]]:
    """Read the corpus with the phones of its dictionary words, 39 without stress and position.

    Args:
        root: folder that holds `train`, `test`, `resource` and `WAVE`.
        adults: read only the speakers of 16 years and more.
        perceived: read the phones that experts heard where they marked an error, from `scores.json`, instead of those
            that were to be said. A phone that was marked as unrecognisable, or is not of the 39, becomes `SPN`.
        partial: accept a corpus with other counts.
        faults: list to add audio files that do not exist, and transcripts that are not valid, to, instead of an error.
            Their utterances are in the result, some without a transcript, and the counts are not checked.

    Returns:
        Utterances of `train`, `dev` and `test`: those of the corpus, with a tenth of `train`, by speaker, as `dev`.

    Raises:
        CorpusError: a file is missing or a line cannot be read, the phones and words of an utterance disagree, or the
            counts are not those of the whole corpus.

    Warns:
        UserWarning: perceived phones are not of the 39.
    """
    root = Path(root)
    if not (root / "train" / "wav.scp").is_file():
        why = "holds no train/wav.scp; name the folder that holds train, test, resource and WAVE"
        raise CorpusError(root, None, why if root.is_dir() else "is not a folder; name that of speechocean762")
    phones_of = _read_phones(root / "resource" / "text-phone")
    ages: dict[str, int] = {}
    partitions = {}
    for partition in ("train", "test"):
        folder = root / partition
        genders = _read_pairs(folder / "spk2gender")
        ages |= {speaker: _age(folder / "spk2age", age) for speaker, age in _read_pairs(folder / "spk2age").items()}
        partitions[partition] = [
            _with_phones(root, replace(utterance, gender=genders.get(utterance.speaker, "")), phones_of, faults)
            for utterance in read_kaldi(folder, part=partition, audio_root=root, faults=faults)
        ]
    if not (partial or faults):
        every = [utterance for utterances in partitions.values() for utterance in utterances]
        found = (len({u.speaker for u in every}), len(partitions["train"]), len(partitions["test"]))
        counts = dict(zip(FULL_COUNTS, (*found, sum(len(u.transcript) for u in every)), strict=True))
        require_counts(root, "speechocean762", counts, FULL_COUNTS)
    if perceived:
        heard = _read_perceived(root)
        partitions = {name: [_as_heard(u, heard, root) for u in chosen] for name, chosen in partitions.items()}
    if adults:
        partitions = {
            name: [u for u in chosen if _is_adult(root, u.speaker, ages)] for name, chosen in partitions.items()
        }
    return _with_dev(root, partitions)


def _with_dev(root: Path, partitions: Mapping[str, list[Utterance]]) -> dict[str, list[Utterance]]:
    per_speaker = Counter(utterance.speaker for utterance in partitions["train"])
    if len(per_speaker) < 2:
        raise CorpusError(root, None, f"train has {len(per_speaker)} speakers; to cut dev from it, it needs at least 2")
    dev = set(held_out_speakers(per_speaker, _DEV_PROPORTION))
    return {
        "train": [utterance for utterance in partitions["train"] if utterance.speaker not in dev],
        "dev": [replace(utterance, part="dev") for utterance in partitions["train"] if utterance.speaker in dev],
        "test": partitions["test"],
    }


def _read_pairs(path: Path) -> dict[str, str]:
    """Read lines of two fields, such as speaker and age."""
    pairs = {}
    for line, row in enumerate(read_lines(path, "speaker value"), 1):
        fields = row.split()
        if len(fields) != 2:
            raise CorpusError(path, line, f"{row[:60]!r} is not two fields; copy the file again")
        pairs[fields[0]] = fields[1]
    return pairs


def _age(path: Path, text: str) -> int:
    if not text.isdecimal():
        raise CorpusError(path, None, f"has the age {text[:20]!r}; an age is a whole number of years")
    return int(text)


def _is_adult(root: Path, speaker: str, ages: Mapping[str, int]) -> bool:
    if speaker not in ages:
        raise CorpusError(root, None, f"speaker {speaker} has no age in spk2age; add it, or read speakers of all ages")
    return ages[speaker] >= _YOUNGEST_ADULT


def _read_phones(path: Path) -> dict[str, list[list[str]]]:
    """Read `text-phone`: utterance -> phones of each of its words."""
    known = {symbol for symbol, ipa in arpabet_to_ipa().items() if ipa}
    words: dict[str, list[list[str]]] = {}
    for line, row in enumerate(read_lines(path, "UTTERANCE.WORD PHONE_B ... PHONE_E"), 1):
        name, *phones = row.split()
        utterance, _, number = name.rpartition(".")
        of_utterance = words.setdefault(utterance, [])
        if number != str(len(of_utterance)):
            why = f"{name} is word {number}, but {utterance} has {len(of_utterance)} before it; copy the file again"
            raise CorpusError(path, line, why)
        bare = [without_stress(_POSITION.sub("", phone)) for phone in phones]
        unknown = [phone for phone, symbol in zip(phones, bare, strict=True) if symbol not in known]
        if unknown or not bare:
            why = f"{unknown[0]!r} is no ARPAbet phone" if unknown else f"{name} has no phone"
            raise CorpusError(path, line, f"{why}; copy the file again")
        of_utterance.append(bare)
    return words


def _with_phones(
    root: Path, utterance: Utterance, phones_of: Mapping[str, list[list[str]]], faults: list[Fault] | None
) -> Utterance:
    """Put the phones in the place of the words."""
    words = phones_of.get(utterance.utterance_id, [])
    with collected(faults, utterance.utterance_id):
        if len(words) != len(utterance.transcript):
            counts = f"has phones of {len(words)} words, but {len(utterance.transcript)} words in its text"
            path = root / "resource" / "text-phone"
            raise CorpusError(path, None, f"{utterance.utterance_id} {counts}; copy the corpus again")
    phones = tuple(phone for word in words for phone in word)
    return replace(utterance, transcript=phones, text=" ".join(utterance.transcript))


def _read_perceived(root: Path) -> dict[str, tuple[str, ...]]:
    """Read the phones that experts heard: utterance -> its phones."""
    path = next((root / place for place in _PLACES if (root / place).is_file()), None)
    if path is None:
        why = f"holds no {' or '.join(_PLACES)}, which has the perceived phones; add it, or leave out perceived=True"
        raise CorpusError(root, None, why)
    content = parse_json(read_text(path, CorpusError), path, CorpusError)
    fault = shape_fault(content, _SCORES)
    if fault is not None:
        raise CorpusError(path, None, f"{fault}; copy the file again")
    strange: Counter[str] = Counter()
    heard = {}
    for name, utterance in content.items():
        heard[name] = tuple(phone for word in utterance["words"] for phone in _heard_word(word, name, path, strange))
    if strange:
        named = ", ".join(f"{phone} ({count} times)" for phone, count in sorted(strange.items()))
        warnings.warn(f"{path}: perceived phones that are not of the 39 become {UNRECOGNISABLE}: {named}", stacklevel=3)
    return heard


def _heard_word(word: Mapping[str, Any], name: str, path: Path, strange: Counter[str]) -> list[str]:
    """Phones that were heard in a word; phones that are not of ARPAbet are counted in `strange`."""
    known = {symbol for symbol, ipa in arpabet_to_ipa().items() if ipa}
    phones = word["phones"].split() if isinstance(word["phones"], str) else word["phones"]
    heard = [[without_stress(phone)] for phone in phones]
    for error in word.get("mispronunciations", []):
        if not 0 <= error["index"] < len(phones):
            why = f"{name} has an error in phone {error['index']} of a word of {len(phones)} phones"
            raise CorpusError(path, None, f"{why}; copy the file again")
        said = error["pronounced-phone"]
        heard[error["index"]] = [] if said.upper() == "<DEL>" else said.split()
    found = []
    for phone in (phone for phones in heard for phone in phones):
        symbol = without_stress(phone.rstrip("*").upper())  # R* is most like R
        if symbol not in known and phone.lower() != "<unk>":
            strange[phone] += 1
        found.append(symbol if symbol in known else UNRECOGNISABLE)
    return found


def _as_heard(utterance: Utterance, heard: Mapping[str, tuple[str, ...]], root: Path) -> Utterance:
    phones = heard.get(utterance.utterance_id, ())
    if not phones:
        raise CorpusError(root, None, f"{utterance.utterance_id} has no phones in scores.json; copy the file again")
    return replace(utterance, transcript=phones)
