"""Reference decoders for tests: exhaustive enumeration of alignments, and a simple prefix search."""

from __future__ import annotations

import functools
import itertools
import math
from collections import defaultdict

import torch

from cnn_mellin.decoding.logit_batch import check_logits
from cnn_mellin.language_models.ngram_model import NgramModel
from cnn_mellin.ops.sizes import size_of

__all__ = ["all_sequences", "simple_prefix_search"]

# classes -> score
_Scores = dict[tuple[int, ...], float]


def all_sequences(
    logits: torch.Tensor,
    *,
    language_model: NgramModel | None = None,
    lm_weight: float = 0.0,
    insertion_bonus: float = 0.0,
    blank_bias: float = 0.0,
) -> list[tuple[list[int], float]]:
    """All sequences of classes with their scores, summed over all V^T alignments; feasible for a few frames only.

    Args:
        logits: (T, V), logits of one utterance; the blank is the last class.
        language_model, lm_weight, insertion_bonus: as in `prefix_beam_search`.
        blank_bias: as in `add_blank_bias`.

    >>> logits = torch.log(torch.tensor([[0.4, 0.6], [0.4, 0.6]]))
    >>> [(classes, round(math.exp(score), 4)) for classes, score in all_sequences(logits)]
    [([0], 0.64), ([], 0.36)]
    """
    check_logits(logits)
    log_probs = _biased_log_probs(logits, blank_bias)
    num_classes = logits.size(1)
    scores: defaultdict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)
    for alignment in itertools.product(range(num_classes), repeat=len(log_probs)):
        classes = tuple(v for v, _ in itertools.groupby(alignment) if v != num_classes - 1)
        score = sum(frame[v] for frame, v in zip(log_probs, alignment, strict=True))
        scores[classes] = _log_add(scores[classes], score)
    added = _AddedScore(language_model, lm_weight, insertion_bonus)
    for classes in scores:
        scores[classes] += added(classes)
    return _ranked(scores)


def simple_prefix_search(
    logits: torch.Tensor,
    beam_width: int,
    *,
    language_model: NgramModel | None = None,
    lm_weight: float = 0.0,
    insertion_bonus: float = 0.0,
    blank_bias: float = 0.0,
) -> list[tuple[list[int], float]]:
    """CTC prefix beam search in its simplest form: one prefix and one class at a time, scores in dictionaries.

    Args:
        logits: (T, V), logits of one utterance; the blank is the last class.
        beam_width: number of prefixes kept after each frame.
        language_model, lm_weight, insertion_bonus: as in `prefix_beam_search`.
        blank_bias: as in `add_blank_bias`.

    >>> logits = torch.log(torch.tensor([[0.4, 0.6], [0.4, 0.6]]))
    >>> [(classes, round(math.exp(score), 4)) for classes, score in simple_prefix_search(logits, 2)]
    [([0], 0.64), ([], 0.36)]
    """
    check_logits(logits)
    size_of("beam_width", beam_width)
    blank_class = logits.size(1) - 1
    added = _AddedScore(language_model, lm_weight, insertion_bonus)
    in_blank: _Scores = {(): 0.0}
    in_class: _Scores = {(): -math.inf}
    for frame in _biased_log_probs(logits, blank_bias):
        next_blank: defaultdict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)
        next_class: defaultdict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)
        for prefix in in_blank:
            both = _log_add(in_blank[prefix], in_class[prefix])
            next_blank[prefix] = _log_add(next_blank[prefix], both + frame[blank_class])
            for v in range(blank_class):
                before = both
                if prefix and prefix[-1] == v:
                    next_class[prefix] = _log_add(next_class[prefix], in_class[prefix] + frame[v])
                    before = in_blank[prefix]
                longer = (*prefix, v)
                next_class[longer] = _log_add(next_class[longer], before + frame[v] + added(longer) - added(prefix))
        totals = {p: _log_add(next_blank[p], next_class[p]) for p in {*next_blank, *next_class}}
        kept = sorted(totals, key=lambda prefix: -totals[prefix])[:beam_width]
        in_blank = {prefix: next_blank[prefix] for prefix in kept}
        in_class = {prefix: next_class[prefix] for prefix in kept}
    return _ranked({prefix: _log_add(in_blank[prefix], in_class[prefix]) for prefix in in_blank})


class _AddedScore:
    """lm_weight * log p_lm + insertion_bonus * number of classes of a sequence of classes.

    p_lm is renormalised over the classes, without the end of the sentence.
    """

    def __init__(self, model: NgramModel | None, weight: float, bonus: float) -> None:
        self.model = model if weight else None
        self.weight, self.bonus = weight, bonus
        self.table = [] if model is None else model.class_log_probs().tolist()

    def __call__(self, classes: tuple[int, ...]) -> float:
        if self.model is None:
            return self.bonus * len(classes)
        row, total = self.model.start, 0.0
        for v in classes:
            total += self.table[row][v]
            row = int(self.model.next_contexts[row, v])
        return self.weight * total + self.bonus * len(classes)


def _biased_log_probs(logits: torch.Tensor, blank_bias: float) -> list[list[float]]:
    """Log-probabilities of each frame, biased for the blank and normalised again."""
    rows = []
    for frame in logits.double().log_softmax(1).tolist():
        frame[-1] += blank_bias
        total = functools.reduce(_log_add, frame)
        rows.append([score - total for score in frame])
    return rows


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _ranked(scores: _Scores) -> list[tuple[list[int], float]]:
    possible = [(list(classes), score) for classes, score in scores.items() if score > -math.inf]
    return sorted(possible, key=lambda item: -item[1])
