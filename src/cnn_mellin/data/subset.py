"""Some utterances of a partition."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cnn_mellin.data.partition import Partition
from cnn_mellin.errors import DataError
from cnn_mellin.utterance_names import name_utterances

__all__ = ["select_utterances"]


def select_utterances(partition: Partition, utterance_ids: Sequence[str]) -> Partition:
    """The partition of these utterances alone, in their old order; features are copied.

    Raises:
        DataError: an utterance is not in the partition.
    """
    missing = sorted(set(utterance_ids) - set(partition.utterance_ids))
    if missing:
        raise DataError(f"{partition.path}: [data] subset_ids names what is not there: {name_utterances(missing)}")
    wanted = set(utterance_ids)
    kept = [i for i, utterance_id in enumerate(partition.utterance_ids) if utterance_id in wanted]
    features = [partition.features_of(i) for i in kept]
    references = [partition.reference_of(i) for i in kept]
    names = [partition.utterance_ids[i] for i in kept]
    return replace(
        partition,
        digest=hashlib.sha256(repr((partition.digest, names)).encode()).hexdigest(),
        utterance_ids=names,
        features=np.concatenate(features),
        frame_offsets=np.cumsum([0, *map(len, features)]),
        references=np.concatenate(references),
        reference_offsets=np.cumsum([0, *map(len, references)]),
    )
