"""Split of a partition into two that share no speaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cnn_mellin.corpora.held_out_speakers import held_out_speakers
from cnn_mellin.data.speed_copies import original_of_speed_copies
from cnn_mellin.data.subset import PartitionSubset
from cnn_mellin.data.utterance_data import UtteranceData
from cnn_mellin.errors import DataError

__all__ = ["SpeakerSplit", "split_by_speaker"]


@dataclass(frozen=True)
class SpeakerSplit:
    """Result of `split_by_speaker`.

    Args:
        train, dev: the two partitions.
        dev_speakers: speakers of `dev`.
    """

    train: UtteranceData
    dev: UtteranceData
    dev_speakers: list[str]


def split_by_speaker(partition: UtteranceData, speaker_of: Mapping[str, str], dev_proportion: float) -> SpeakerSplit:
    """Split a partition into two without a common speaker; the result is deterministic.

    Speakers are assigned to `dev` in the order of a hash of their names, until its size is as close as possible to the
    requested proportion; each of the two gets at least one speaker. Copies at other speeds (`with_speed_copies`) of the
    utterances of `dev` are in neither.

    Args:
        partition: partition to split.
        speaker_of: utterance -> speaker; every utterance that is missing here counts, with its copies at other speeds,
            as a separate speaker.
        dev_proportion: proportion of the utterances for `dev`, between 0 and 1.

    Raises:
        DataError: the partition has only one speaker.
    """
    original_of = original_of_speed_copies(partition)
    of_speaker: dict[str, list[int]] = {}
    for i, utterance_id in enumerate(partition.utterance_ids):
        alone = original_of.get(utterance_id, utterance_id)
        of_speaker.setdefault(speaker_of.get(utterance_id, alone), []).append(i)
    if len(of_speaker) < 2:
        raise DataError(f"{partition.path}: has only one speaker; a split without a common speaker needs at least 2")
    dev_speakers = held_out_speakers({speaker: len(rows) for speaker, rows in of_speaker.items()}, dev_proportion)
    in_dev = np.zeros(len(partition), dtype=bool)
    in_dev[[i for speaker in dev_speakers for i in of_speaker[speaker]]] = True
    is_copy = np.array([utterance_id in original_of for utterance_id in partition.utterance_ids])
    train, dev = (PartitionSubset(partition, chosen.nonzero()[0]) for chosen in (~in_dev, in_dev & ~is_copy))
    return SpeakerSplit(train, dev, dev_speakers)
