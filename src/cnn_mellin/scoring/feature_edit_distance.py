"""Edit distances between sequences of segments whose substitutions cost the features in which they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.scoring.phone_features import NUM_FEATURES

__all__ = ["feature_edit_distances"]

# Utterances per table: enough for numpy to be fast, few enough that utterances of similar length share one.
_BATCH = 256


def feature_edit_distances(
    references: Sequence[Sequence[int]], hypotheses: Sequence[Sequence[int]], changes: NDArray[np.int64]
) -> list[int]:
    """Compute the lowest number of features to change, to turn each reference into its hypothesis.

    Args:
        references, hypotheses: N sequences each, of numbers of segments, 0 <= number < S.
        changes: (S, S), number of features in which two segments differ. An inserted or deleted segment costs 24.

    Returns:
        N numbers of features.

    >>> feature_edit_distances([[0, 1]], [[1]], np.array([[0, 3], [3, 0]]))
    [24]
    """
    distances = [0] * len(references)
    order = sorted(range(len(references)), key=lambda n: (len(references[n]), len(hypotheses[n])))
    for first in range(0, len(order), _BATCH):
        batch = order[first : first + _BATCH]
        found = _distances([references[n] for n in batch], [hypotheses[n] for n in batch], changes)
        for n, distance in zip(batch, found, strict=True):
            distances[n] = distance
    return distances


def _distances(
    references: Sequence[Sequence[int]], hypotheses: Sequence[Sequence[int]], changes: NDArray[np.int64]
) -> list[int]:
    """Distances of a batch. What padding adds lies behind the end of each utterance, and is never read out."""
    # N batch, R longest reference, H longest hypothesis
    spoken, recognised = _padded(references), _padded(hypotheses)
    lengths = np.array([len(hypothesis) for hypothesis in hypotheses])
    inserted = NUM_FEATURES * np.arange(recognised.shape[1] + 1)
    row = np.tile(inserted, (len(references), 1))  # (N, H + 1)
    distances = np.zeros(len(references), dtype=np.int64)
    for i in range(spoken.shape[1] + 1):
        ended = np.array([len(reference) == i for reference in references])
        distances[ended] = row[ended, lengths[ended]]
        if i == spoken.shape[1]:
            break
        following = row + NUM_FEATURES
        np.minimum(following[:, 1:], row[:, :-1] + changes[spoken[:, i, None], recognised], out=following[:, 1:])
        # insertions after this segment: min over k <= j of following[k] + (j - k) insertions
        row = np.minimum.accumulate(following - inserted, axis=1) + inserted
    return distances.tolist()


def _padded(sequences: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Sequences of numbers as one (N, longest) array, filled up with zeros."""
    padded = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for line, sequence in zip(padded, sequences, strict=True):
        line[: len(sequence)] = sequence
    return padded
