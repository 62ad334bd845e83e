"""The utterances of a study: those that trials train on, and those that they are evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnn_mellin.data.audio_partition import open_features
from cnn_mellin.data.speaker_split import split_by_speaker
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError
from cnn_mellin.formats.speakers import read_speakers
from cnn_mellin.formats.symbols import read_symbols

__all__ = ["StudyData", "open_study_data"]


@dataclass(frozen=True)
class StudyData:
    """Result of `open_study_data`.

    Args:
        train, dev: utterances to train on, and to evaluate on.
        symbols: symbols of the corpus.
        digest: digest of the whole partition's content.
        described: description of the split for the user, one line.
    """

    train: UtteranceData
    dev: UtteranceData
    symbols: list[str]
    digest: str
    described: str


def open_study_data(
    train_dir: str | Path, dev_proportion: float, subset_ids: Sequence[str] = (), audio_features: str | None = None
) -> StudyData:
    """Open and check a partition, and split it, by speaker if `ext/utt2spk` beside it names the speakers.

    Args:
        train_dir: folder of the partition.
        dev_proportion: proportion of its utterances to evaluate on.
        subset_ids: ids of the utterances to use; empty for all.
        audio_features: features to compute from a partition of audio.

    Raises:
        DataError: the partition is damaged, cannot be split, or holds features or classes that cannot be trained on.
    """
    whole = open_features(train_dir, audio_features)
    used: UtteranceData = select_utterances(whole, subset_ids) if subset_ids else whole
    if len(used) < 2:
        raise DataError(
            f"{train_dir}: holds {len(used)} utterances; a search needs some to train on and some to evaluate on"
        )
    ext = whole.path.parent / "ext"
    symbols = read_symbols(ext)
    used.check_finite()
    used.check_classes(len(symbols))
    speaker_of = read_speakers(ext / "utt2spk") if (ext / "utt2spk").exists() else {}
    known = all(name in speaker_of for name in used.utterance_ids)
    split = split_by_speaker(used, speaker_of if known else {}, dev_proportion)
    by = f"{len(split.dev_speakers)} speakers" if known else f"no known speaker ({ext}/utt2spk does not name them)"
    return StudyData(
        split.train,
        split.dev,
        symbols,
        whole.digest,
        f"{train_dir}: {len(split.train)} utterances to train on, {len(split.dev)} of {by} to evaluate on",
    )
