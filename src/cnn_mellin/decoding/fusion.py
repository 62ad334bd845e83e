"""Scores that a language model and an insertion bonus add to a prefix search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cnn_mellin.language_models.ngram_model import NgramModel

__all__ = ["Fusion", "added_scores", "fusion_of"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

# Cells (contexts by classes) up to which all scores are computed before a search, which then only looks them up; a
# larger model has this many at a time. A trigram of 48 phones has up to 120,000.
_MOST_CELLS = 1 << 23


class Fusion(Protocol):
    """Scores of extending a prefix besides those of the frames, and the contexts that follow."""

    start: int
    """Context of the empty prefix."""

    def scores_after(self, contexts: _Ints) -> _Floats:
        """lm_weight * log p_lm + insertion_bonus of each class after each context, (N, V); 0 for the blank."""

    def contexts_after(self, contexts: _Ints, classes: _Ints) -> _Ints:
        """Context after each class, (N,)."""


def fusion_of(model: NgramModel | None, lm_weight: float, insertion_bonus: float, num_classes: int) -> Fusion | None:
    """Scores and contexts for a search; None if nothing is added to the scores of the frames.

    Args:
        model: language model of the classes other than the blank, if there is one.
        lm_weight, insertion_bonus: as in `prefix_beam_search`.
        num_classes: number of classes with the blank, V.
    """
    if model is None or lm_weight == 0:
        if insertion_bonus == 0:
            return None
        scores = np.full((1, num_classes), float(insertion_bonus))
        scores[:, -1] = 0.0
        return _Tables(scores, np.zeros((1, num_classes), dtype=np.int64), 0)
    if model.num_contexts * num_classes > _MOST_CELLS:
        return _Rows(model, lm_weight, insertion_bonus)
    scores = _weighted(model.class_log_probs(), lm_weight, insertion_bonus)
    return _Tables(scores, model.next_contexts.astype(np.int64), model.start)


def added_scores(fusion: Fusion | None, sequences: Sequence[Sequence[int]]) -> _Floats:
    """Scores that the language model and the bonus add to each of several sequences of classes, (M,).

    >>> added_scores(fusion_of(None, 0, 0.5, num_classes=3), [[0, 1, 1], []]).tolist()
    [1.5, 0.0]
    """
    added = np.zeros(len(sequences))
    if fusion is None:
        return added
    contexts = np.full(len(sequences), fusion.start, dtype=np.int64)
    lengths = np.array([len(classes) for classes in sequences], dtype=np.int64)
    for place in range(lengths.max(initial=0)):
        (long,) = np.nonzero(lengths > place)
        classes = np.array([sequences[i][place] for i in long.tolist()])
        added[long] += fusion.scores_after(contexts[long])[np.arange(len(long)), classes]
        contexts[long] = fusion.contexts_after(contexts[long], classes)
    return added


def _weighted(class_log_probs: _Floats, lm_weight: float, insertion_bonus: float) -> _Floats:
    weighted = lm_weight * class_log_probs + insertion_bonus
    return np.concatenate([weighted, np.zeros((len(weighted), 1))], axis=1)


class _Tables:
    """Scores of all contexts, computed before the search.

    Args:
        scores: (S, V), of each class after each context.
        next_contexts: context after each class.
        start: context of the empty prefix.
    """

    def __init__(self, scores: _Floats, next_contexts: npt.NDArray[Any], start: int) -> None:
        self.start = start
        self._scores, self._next_contexts = scores, next_contexts

    def scores_after(self, contexts: _Ints) -> _Floats:
        return self._scores.take(contexts, axis=0)

    def contexts_after(self, contexts: _Ints, classes: _Ints) -> _Ints:
        found: _Ints = self._next_contexts[contexts, classes]
        return found


class _Rows:
    """Scores of the contexts that the search meets, computed when they are first met."""

    def __init__(self, model: NgramModel, lm_weight: float, insertion_bonus: float) -> None:
        self.start = model.start
        self._model, self._added = model, (lm_weight, insertion_bonus)
        self._place_of: npt.NDArray[np.int32] | None = None  # made by the process that searches
        self._num_places = 0

    def scores_after(self, contexts: _Ints) -> _Floats:
        num_classes = len(self._model.tokens) + 1
        if self._place_of is None:
            self._place_of = np.full(self._model.num_contexts, -1, np.int32)
            self._scores = np.empty((0, num_classes))
        new = np.unique(contexts[self._place_of[contexts] < 0])
        if len(new):
            if (self._num_places + len(new)) * num_classes > _MOST_CELLS:  # begin again
                self._place_of[:], self._num_places = -1, 0
                new = np.unique(contexts)
            needed = self._num_places + len(new)
            if needed > len(self._scores):
                more = np.empty((max(needed, 2 * len(self._scores)), num_classes))
                more[: self._num_places] = self._scores[: self._num_places]
                self._scores = more
            self._scores[self._num_places : needed] = _weighted(self._model.class_log_prob_rows(new), *self._added)
            self._place_of[new] = np.arange(self._num_places, needed)
            self._num_places = needed
        return self._scores.take(self._place_of[contexts], axis=0)

    def contexts_after(self, contexts: _Ints, classes: _Ints) -> _Ints:
        return self._model.contexts_after(contexts, classes)
