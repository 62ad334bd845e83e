"""TIMIT's training, development and test sets, and the counts of a complete TIMIT."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.phone_sets import fold_phones

__all__ = ["FULL_COUNTS", "count_timit", "timit_partitions"]

FULL_COUNTS = {
    "speakers": 630,
    "training speakers": 462,
    "test speakers": 168,
    "utterances": 6300,
    "training utterances without SA": 3696,
    "test utterances without SA": 1344,
    "development utterances": 400,
    "core-test utterances": 192,
    "core-test phones of the 39 set": 7215,
}
"""Counts of the Linguistic Data Consortium's TIMIT (LDC93S1)."""


def timit_partitions(
    utterances: Sequence[Utterance],
    *,
    partial: bool = False,
    complete_test: bool = False,
    large_dev: bool = False,
    include_sa: bool = False,
) -> dict[str, list[Utterance]]:
    """Split a corpus into train, dev and test.

    The core test set (24 speakers) and the development set (50 speakers) are the usual ones. The sentences shared by
    all speakers (SA) are left out, except from train with `include_sa`. If no TEST speaker of a partial corpus is in
    the lists of these sets (as in the demo corpus), the sorted TEST speakers go alternately to test and dev.

    Args:
        utterances: utterances from `read_timit`.
        partial: accept a corpus with other counts than TIMIT's.
        complete_test: test on all TEST speakers, including the development speakers.
        large_dev: develop on all TEST speakers outside the core test set.
        include_sa: also train on the SA sentences.

    Returns:
        Utterances of `train`, `dev` and `test`, in the given order.

    Raises:
        CorpusError: the corpus does not have the counts of a complete TIMIT and `partial` is False, or a partition
            would be empty.
    """
    corpus = utterances[0].audio_path.parents[3] if utterances else Path("corpus")
    found = count_timit(utterances)
    wrong = [f"{found[name]} {name}, not {count}" for name, count in FULL_COUNTS.items() if found[name] != count]
    if wrong and not partial:
        raise CorpusError(
            corpus, None, f"is not a whole TIMIT: it has {'; '.join(wrong)}; use partial=True to accept it"
        )
    dev, core = _divided({utterance.speaker for utterance in utterances if utterance.part == "test"})
    train_part = [utterance for utterance in utterances if utterance.part == "train"]
    test_part = [utterance for utterance in utterances if utterance.part == "test" and not _is_sa(utterance)]
    partitions = {
        "train": [utterance for utterance in train_part if include_sa or not _is_sa(utterance)],
        "dev": [u for u in test_part if (u.speaker not in core if large_dev else u.speaker in dev)],
        "test": [u for u in test_part if complete_test or u.speaker in core],
    }
    for name, chosen in partitions.items():
        if not chosen:
            of = "TRAIN" if name == "train" else "TEST"
            raise CorpusError(corpus, None, f"partition {name} is empty; add speakers to {of}")
    return partitions


def count_timit(utterances: Sequence[Utterance]) -> dict[str, int]:
    """Count in a corpus what `FULL_COUNTS` gives for a complete TIMIT."""
    train = [utterance for utterance in utterances if utterance.part == "train"]
    test = [utterance for utterance in utterances if utterance.part == "test"]
    lists = _speaker_lists()
    core, dev = (
        [utterance for utterance in test if lists.get(utterance.speaker) == name and not _is_sa(utterance)]
        for name in ("test", "dev")
    )
    counts = (
        len({utterance.speaker for utterance in utterances}),
        len({utterance.speaker for utterance in train}),
        len({utterance.speaker for utterance in test}),
        len(utterances),
        sum(not _is_sa(utterance) for utterance in train),
        sum(not _is_sa(utterance) for utterance in test),
        len(dev),
        len(core),
        sum(len(fold_phones([phone.symbol for phone in utterance.phones], 39)) for utterance in core),
    )
    return dict(zip(FULL_COUNTS, counts, strict=True))


def _divided(speakers: set[str]) -> tuple[set[str], set[str]]:
    """Split the TEST speakers into development and test speakers."""
    lists = _speaker_lists()
    if not speakers & lists.keys():
        ordered = sorted(speakers)
        return set(ordered[1::2]), set(ordered[::2])
    listed = {name: {speaker for speaker in speakers if lists.get(speaker) == name} for name in ("dev", "test")}
    return listed["dev"], listed["test"]


@cache
def _speaker_lists() -> dict[str, str]:
    """Partition of each speaker of the development set and the core test set."""
    lines = Path(__file__).with_name("timit_speakers.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t") for line in lines)


def _is_sa(utterance: Utterance) -> bool:
    return utterance.utterance_id.rsplit("-", 1)[1].startswith("sa")
