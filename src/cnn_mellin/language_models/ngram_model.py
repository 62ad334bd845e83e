"""N-gram models as tables over the classes of an acoustic model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.arpa import END, START, Ngrams, arpa_tokens, read_arpa

__all__ = ["NgramModel"]

_LN_10 = math.log(10.0)


class NgramModel:
    """A back-off model, unrolled: one row for each context that it tells apart.

    Args:
        ngrams: as `read_arpa` and `estimate_kneser_ney` give them.
        tokens: the symbol of each class, the blank left out; None for the model's own, sorted.

    Attributes:
        tokens: the symbol of each class.
        order: words in the longest n-gram.
        log_probs: (S, V + 1), natural logarithm of the probability of each class after each context; the last column
            is the sentence's end.
        next_contexts: (S, V), row of the context after each class.
        start: row of the sentence's start.

    Raises:
        DataError: tokens and the words of the model are not the same.

    >>> model = NgramModel([{("<s>",): (-99, 0), ("t",): (-0.30103, 0), ("</s>",): (-0.30103, 0)}], ["t"])
    >>> round(model.perplexity([["t", "t", "t"]]), 3)
    2.0
    """

    def __init__(self, ngrams: Ngrams, tokens: Sequence[str] | None = None) -> None:
        known = arpa_tokens(ngrams)
        self.tokens = tuple(known if tokens is None else tokens)
        self.order = len(ngrams)
        _check_tokens(self.tokens, known)
        class_of = {token: number for number, token in enumerate(self.tokens)}
        column_of = {**class_of, END: len(self.tokens)}
        rows = _contexts(ngrams, class_of)
        self.start = _longest_known((START,), rows)
        self.log_probs: npt.NDArray[np.float64] = np.full((len(rows), len(self.tokens) + 1), -np.inf)
        self.next_contexts: npt.NDArray[np.int32] = np.empty((len(rows), len(self.tokens)), dtype=np.int32)
        for context, row in rows.items():  # shorter ones come first
            if context:
                backoff = ngrams[len(context) - 1].get(context, (0.0, 0.0))[1]
                self.log_probs[row] = self.log_probs[_longest_known(context[1:], rows)] + backoff * _LN_10
                self.next_contexts[row] = self.next_contexts[_longest_known(context[1:], rows)]
            else:
                self.next_contexts[row] = row
            for token, number in class_of.items():
                following = rows.get((*context, token))
                if following is not None:
                    self.next_contexts[row, number] = following
        for entries in ngrams:
            for words, (log10_prob, _) in entries.items():
                row, column = rows.get(words[:-1]), column_of.get(words[-1])
                if row is not None and column is not None:
                    self.log_probs[row, column] = log10_prob * _LN_10
"""
