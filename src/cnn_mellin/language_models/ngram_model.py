"""N-gram models as tables over the classes of an acoustic model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.arpa import END, START, Ngrams, arpa_tokens, read_arpa
from cnn_mellin.utterance_names import name_utterances

__all__ = ["NgramModel"]

_LN_10 = math.log(10.0)


class NgramModel:
    """Back-off model expanded to tables, with one row per context that affects the next word.

    Args:
        ngrams: n-grams from `read_arpa` or `estimate_kneser_ney`.
        tokens: symbol of each class, without the blank; None for the words of the model, sorted.

    Attributes:
        tokens: symbol of each class.
        order: length of the longest n-gram.
        log_probs: natural logarithm of the probability of each class after each context, (S, V + 1); the last column
            is the sentence end.
        next_contexts: row of the context that follows each class, (S, V).
        start: row of the sentence start.

    Raises:
        DataError: the tokens are not the words of the model.

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
        self._class_of = class_of
        rows = _contexts(ngrams, class_of)
        listed: dict[tuple[str, ...], list[tuple[str, float]]] = {context: [] for context in rows}
        for entries in ngrams:
            for words, (log10_prob, _) in entries.items():
                if words[:-1] in rows and words[-1] in column_of:
                    listed[words[:-1]].append((words[-1], log10_prob))
        self.start = _longest_known((START,), rows)
        self.log_probs: npt.NDArray[np.float64] = np.full((len(rows), len(self.tokens) + 1), -np.inf)
        self.next_contexts: npt.NDArray[np.int32] = np.empty((len(rows), len(self.tokens)), dtype=np.int32)
        for context, row in rows.items():
            if context:
                shorter = _longest_known(context[1:], rows)
                backoff = ngrams[len(context) - 1].get(context, (0.0, 0.0))[1]
                self.log_probs[row] = self.log_probs[shorter] + backoff * _LN_10
                self.next_contexts[row] = self.next_contexts[shorter]
            else:
                self.next_contexts[row] = row
            for token, number in class_of.items():
                following = rows.get((*context, token))
                if following is not None:
                    self.next_contexts[row, number] = following
            for word, log10_prob in listed[context]:
                self.log_probs[row, column_of[word]] = log10_prob * _LN_10

    @classmethod
    def from_arpa(cls, path: str | Path, tokens: Sequence[str] | None = None) -> Self:
        """Make a model from an ARPA file, gzip-compressed or not.

        Raises:
            DataError: the file is not valid, or has other words than `tokens`.
        """
        ngrams = read_arpa(path)
        try:
            return cls(ngrams, tokens)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def log_prob(self, sentence: Iterable[str]) -> float:
        """Natural logarithm of the probability of a sentence, including its end.

        Raises:
            DataError: a symbol is not one of the tokens.
        """
        row, total = self.start, 0.0
        for symbol in sentence:
            number = self._class_of.get(symbol)
            if number is None:
                raise DataError(f"{symbol!r} is not among the {len(self.tokens)} tokens of the language model")
            total += float(self.log_probs[row, number])
            row = int(self.next_contexts[row, number])
        return total + float(self.log_probs[row, -1])

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """Inverse of the geometric mean probability of all tokens and sentence ends.

        Raises:
            DataError: a symbol is not one of the tokens, or there is no sentence.
        """
        total, num_predicted = 0.0, 0
        for sentence in sentences:
            total += self.log_prob(sentence)
            num_predicted += len(sentence) + 1
        if not num_predicted:
            raise DataError("there is no sentence to compute the perplexity of")
        return math.exp(-total / num_predicted)

    def class_log_probs(self) -> npt.NDArray[np.float64]:
        """Log probabilities (S, V) renormalised over the classes, for a search that does not predict sentence ends."""
        over_classes = self.log_probs[:, :-1]
        highest = over_classes.max(axis=1, keepdims=True)
        totals = np.exp(over_classes - highest).sum(axis=1, keepdims=True)
        normalised: npt.NDArray[np.float64] = over_classes - highest - np.log(totals)
        return normalised


def _contexts(ngrams: Ngrams, class_of: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    """Assign a row to each context that affects the next word, and to all its prefixes; shorter contexts come first."""
    contexts: set[tuple[str, ...]] = {()}
    for entries in ngrams:
        for words, (_, backoff) in entries.items():
            context = words if backoff and len(words) < len(ngrams) else words[:-1]
            if context[:1] == (START,):
                known = all(word in class_of for word in context[1:])
            else:
                known = all(word in class_of for word in context)
            while known and context not in contexts:
                contexts.add(context)
                context = context[:-1]
    return {context: row for row, context in enumerate(sorted(contexts, key=lambda context: (len(context), context)))}


def _longest_known(context: tuple[str, ...], rows: Mapping[tuple[str, ...], int]) -> int:
    """Row of the longest suffix of a context that has a row."""
    while context not in rows:
        context = context[1:]
    return rows[context]


def _check_tokens(tokens: Sequence[str], known: Sequence[str]) -> None:
    if len(set(tokens)) != len(tokens):
        raise DataError("duplicate token; each class needs its own")
    for problem, names in (
        ("tokens are not in the language model", set(tokens) - set(known)),
        ("words of the language model are not among the tokens", set(known) - set(tokens)),
    ):
        if names:
            raise DataError(
                f"{len(names)} {problem}: {name_utterances(sorted(names))}; both must use the same phone set"
            )
