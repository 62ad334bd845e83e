"""Reading the Free Spoken Digit Dataset (Jackson et al.): ten digits, each said 50 times by each of six speakers."""

from __future__ import annotations

import re
from pathlib import Path

from cnn_mellin.corpora.corpus_counts import require_counts
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.transcript_symbols import require_name

__all__ = ["FULL_COUNTS", "read_fsdd"]

FULL_COUNTS = {"speakers": 6, "recordings": 3000}
"""Counts of the data set as its authors distribute it."""

_PHONES = (
    "Z IH R OW",
    "W AH N",
    "T UW",
    "TH R IY",
    "F AO R",
    "F AY V",
    "S IH K S",
    "S EH V AH N",
    "EY T",
    "N AY N",
)
_NAME = re.compile(r"([0-9])_([^_]+)_([0-9]+)\.wav", re.IGNORECASE)
_PARTITION_OF_SPEAKER = {"theo": "dev", "nicolas": "test"}
_NUM_TEST, _NUM_DEV = 5, 5


def read_fsdd(root: str | Path, *, official: bool = False, partial: bool = False) -> dict[str, list[Utterance]]:
    """Read the data set with the phones of the ten words (ARPAbet, American pronunciation).

    Args:
        root: folder that holds `recordings`, or that folder.
        official: use the authors' test recordings (numbers 0 to 4 of each speaker and digit), and numbers 5 to 9 as
            `dev`, so that all speakers are in all partitions; by default, nicolas is `test` and theo is `dev`.
        partial: accept a data set with other counts.

    Returns:
        Utterances of `train`, `dev` and `test`.

    Raises:
        CorpusError: the folder does not exist or has no recordings, a name is not DIGIT_SPEAKER_NUMBER.wav, or the
            counts are not those of the whole data set.
    """
    root = Path(root)
    folder = root / "recordings" if (root / "recordings").is_dir() else root
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() == ".wav") if folder.is_dir() else []
    if not files:
        why = "holds no recordings/DIGIT_SPEAKER_NUMBER.wav; name the folder of the data set"
        raise CorpusError(root, None, why if root.is_dir() else "is not a folder; name that of the data set")
    partitions: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for path in files:
        found = _NAME.fullmatch(path.name)
        if found is None:
            raise CorpusError(path, None, "must be named DIGIT_SPEAKER_NUMBER.wav; rename it, or move it away")
        digit, number = int(found[1]), int(found[3])
        speaker = require_name(found[2], path, None, "speaker")
        if official:
            part = "test" if number < _NUM_TEST else "dev" if number < _NUM_TEST + _NUM_DEV else "train"
        else:
            part = _PARTITION_OF_SPEAKER.get(speaker, "train")
        transcript = tuple(_PHONES[digit].split())
        name = f"{speaker}-{digit}-{number:02d}"
        partitions[part].append(Utterance(name, speaker, path, (), part=part, text=str(digit), transcript=transcript))
    speakers = {utterance.speaker for utterances in partitions.values() for utterance in utterances}
    if not partial:
        counts = dict(zip(FULL_COUNTS, (len(speakers), len(files)), strict=True))
        require_counts(root, "Free Spoken Digit Dataset", counts, FULL_COUNTS)
    empty = [name for name, utterances in partitions.items() if not utterances]
    if empty:
        why = f"partition {empty[0]} is empty, as there are only the speakers {', '.join(sorted(speakers))}"
        raise CorpusError(root, None, f"{why}; add recordings, or prepare your own choice with prep table")
    return {name: sorted(chosen, key=lambda utterance: utterance.utterance_id) for name, chosen in partitions.items()}
