"""Training, development and test parts of TIMIT, and the counts that a full TIMIT must show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from cnn_mellin.corpora.phone_sets import fold_phones
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.errors import DataError

__all__ = ["check_full_timit", "timit_partitions"]

PARTITIONS = ("train", "dev", "test")


def timit_partitions(
    utterances: Sequence[Utterance],
    *,
    complete_test: bool = False,
    large_dev: bool = False,
    include_sa: bool = False,
) -> dict[str, list[Utterance]]:
    """Divide a corpus of TIMIT's layout into `train`, `dev` and `test`, by speaker.

    Training is TRAIN, development the usual 50 speakers of TEST, test the 24 of the core test. The SA sentences, which
    everyone reads, are left out. A corpus whose TEST speakers are all in neither list (it is not TIMIT) has every
    other one of them, by name, in development and the rest in test.

    Args:
        utterances: of the whole corpus.
        complete_test: test on all speakers of TEST; the development speakers are then among them.
        large_dev: develop on all speakers of TEST that are not in the core test.
        include_sa: keep the SA sentences, in training alone.
    """
    test_speakers = sorted({utterance.speaker for utterance in utterances if utterance.part == "test"})
    dev, core = _speakers("timit_dev.txt"), _speakers("timit_core_test.txt")
    if not (dev | core) & set(test_speakers):
        dev, core = frozenset(test_speakers[1::2]), frozenset(test_speakers[::2])
    if large_dev:
        dev = frozenset(test_speakers) - core
    if complete_test:
        core = frozenset(test_speakers)
    parts: dict[str, list[Utterance]] = {name: [] for name in PARTITIONS}
    for utterance in utterances:
        shared = utterance.utterance_id.split("-")[1].startswith("sa")
        if utterance.part == "train":
            if include_sa or not shared:
                parts["train"].append(utterance)
        elif not shared:
            for name, speakers in (("dev", dev), ("test", core)):
                if utterance.speaker in speakers:
                    parts[name].append(utterance)
    return parts


def check_full_timit(utterances: Sequence[Utterance]) -> list[str]:
    """What differs from the counts of a full TIMIT, a line each; none where all is there."""
    parts = timit_partitions(utterances)
    complete = timit_partitions(utterances, complete_test=True)["test"]
    core_phones = sum(len(fold_phones((phone.symbol for phone in utterance.phones), 39)) for utterance in parts["test"])
    speakers = {part: {u.speaker for u in utterances if u.part == part} for part in ("train", "test")}
    counts = {
        "speakers of TRAIN": (len(speakers["train"]), 462),
        "speakers of TEST": (len(speakers["test"]), 168),
        "utterances": (len(utterances), 6300),
        "training utterances without SA": (len(parts["train"]), 3696),
        "development utterances": (len(parts["dev"]), 400),
        "core test utterances": (len(parts["test"]), 192),
        "complete test utterances": (len(complete), 1344),
        "core test phones (of 39)": (core_phones, 7215),
    }
    return [f"{found} {what}, not {expected}" for what, (found, expected) in counts.items() if found != expected]


def require_timit(utterances: Sequence[Utterance], root: str | Path, *, partial: bool) -> list[str]:
    """What differs from a full TIMIT.

    Raises:
        DataError: something differs and `partial` is false, or a partition of a partial corpus would be empty.
    """
    differences = check_full_timit(utterances)
    if differences and not partial:
        raise DataError(f"{root}: is no full TIMIT: {'; '.join(differences)} (--partial prepares what is there)")
    return differences


@cache
def _speakers(name: str) -> frozenset[str]:
    return frozenset(Path(__file__).with_name(name).read_text(encoding="ascii").split())
