"""Reading VoxAngeles (Chodroff et al., 2024): words of 95 languages, with phones and their times by hand."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

from cnn_mellin.corpora.collection import sample_rate_of, timed_phones
from cnn_mellin.corpora.corpus_counts import require_counts
from cnn_mellin.corpora.fault import Fault, collected
from cnn_mellin.corpora.held_out_speakers import held_out_speakers
from cnn_mellin.corpora.utterance import TimedPhone, Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.ipa import in_one_form
from cnn_mellin.formats.text_grid import IntervalTier, read_text_grid
from cnn_mellin.formats.transcript_symbols import parse_transcript, require_name
from cnn_mellin.utterance_names import name_utterances

__all__ = ["FULL_COUNTS", "read_voxangeles"]

FULL_COUNTS = {"languages": 95, "words": 5446}
"""Counts of the audited part of the corpus as its authors distribute it."""

_TIERS = ("phones", "phone")  # 2 % of the files have the second name
_TEST_PROPORTION = 0.2
_DEV_PROPORTION = 0.1


def read_voxangeles(
    root: str | Path, *, partial: bool = False, faults: list[Fault] | None = None
) -> dict[str, list[Utterance]]:
    """Read the audited part of the corpus, split by language.

    The corpus has no partitions and does not name its speakers, but each language has its own: a language stands for
    a speaker, a fifth of the words, by language, is `test`, and a tenth of the others `dev`. Labels that differ only in
    the form of a character (composed or not, keyboard's g and apostrophe or the IPA's) become one, by `in_one_form`.

    Args:
        root: folder of the corpus, or its folder `data/audited_aligned`, in which the archives are unpacked.
        partial: accept a corpus with other counts, such as some of the languages.
        faults: list to add TextGrids that are not valid to, instead of an error; their utterances are in the result,
            without phones.

    Returns:
        Utterances of `train`, `dev` and `test`; phones have times in samples of the recording.

    Raises:
        CorpusError: archives are not unpacked, a file cannot be read, or the counts are not those of the whole corpus.

    Warns:
        UserWarning: recordings without a TextGrid are left out.
    """
    root = Path(root)
    folder = root / "data" / "audited_aligned" if (root / "data").is_dir() else root
    if not folder.is_dir():
        raise CorpusError(folder, None, "does not exist; name the folder of VoxAngeles")
    packed = sorted(path.stem for path in folder.glob("*.zip") if not (folder / path.stem).is_dir())
    if packed:
        why = f"{len(packed)} archives are not unpacked: {name_utterances(packed)}; unpack each in this folder (unzip)"
        raise CorpusError(folder, None, why)
    grids = [path for path in sorted(folder.glob("*/*")) if _is_of_corpus(path) and path.suffix == ".TextGrid"]
    if not grids:
        raise CorpusError(folder, None, "holds no LANGUAGE/WORD.TextGrid; name the folder of VoxAngeles")
    utterances = [_utterance(path, faults) for path in grids]
    stems = {path.with_suffix("") for path in grids}
    recordings = [path for path in folder.glob("*/*") if _is_of_corpus(path) and path.suffix == ".wav"]
    lonely = sorted(path.stem for path in recordings if path.with_suffix("") not in stems)
    if lonely:
        named = name_utterances(lonely)
        warnings.warn(f"{folder}: {len(lonely)} recordings without a TextGrid are left out: {named}", stacklevel=2)
    words = Counter(utterance.speaker for utterance in utterances)
    if not partial:
        found = dict(zip(FULL_COUNTS, (len(words), len(utterances)), strict=True))
        require_counts(root, "VoxAngeles", found, FULL_COUNTS)
    if len(words) < 3:
        raise CorpusError(folder, None, f"has {len(words)} languages; a split by language needs at least 3")
    test = held_out_speakers(words, _TEST_PROPORTION)
    dev = held_out_speakers({name: count for name, count in words.items() if name not in test}, _DEV_PROPORTION)
    part_of = {name: "test" if name in test else "dev" if name in dev else "train" for name in words}
    partitions: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for utterance in utterances:
        part = part_of[utterance.speaker]
        partitions[part].append(replace(utterance, part=part))
    return partitions


def _is_of_corpus(path: Path) -> bool:
    """Leave out what macOS adds to archives."""
    return path.parent.name != "__MACOSX" and not path.name.startswith("._")


def _utterance(path: Path, faults: list[Fault] | None) -> Utterance:
    """Utterance of a TextGrid; its partition is not set."""
    name, language = require_name(path.stem, path, None), require_name(path.parent.name, path, None, "language")
    audio = path.with_suffix(".wav")
    phones: tuple[TimedPhone, ...] = ()
    with collected(faults, name):
        phones = timed_phones(_segments(path), sample_rate_of(audio))
    return Utterance(name, language, audio, phones)


def _segments(path: Path) -> list[tuple[float, float, str]]:
    """Start and end in seconds and symbol of each phone."""
    grid = read_text_grid(path)
    names = [tier.name for tier in grid.tiers if isinstance(tier, IntervalTier)]
    tier = grid.interval_tier(next((name for name in _TIERS if name in names), _TIERS[0]))
    segments = []
    for interval in tier.intervals:
        if not interval.text:
            continue
        symbols = parse_transcript(in_one_form(interval.text), path, interval.line)
        if len(symbols) > 1:
            why = f"interval {interval.text[:40]!r} holds {len(symbols)} symbols; label one phone per interval"
            raise CorpusError(path, interval.line, why)
        segments.append((interval.start_s, interval.end_s, symbols[0]))
    if not segments:
        raise CorpusError(path, None, f"tier {tier.name!r} has no phone; copy the corpus again")
    return segments
