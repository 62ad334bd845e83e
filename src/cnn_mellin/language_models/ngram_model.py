"""N-gram models over the classes of an acoustic model."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.arpa import END, START, Ngrams, arpa_tokens, read_arpa
from cnn_mellin.utterance_names import name_utterances

__all__ = ["NgramModel"]

_LN_10 = math.log(10.0)
_SENTENCES_AT_ONCE = 4096
_Floats = npt.NDArray[np.float64]


class NgramModel:
    """Back-off model over the classes of an acoustic model, with one row per context that affects the next word.

    Its memory grows with the number of n-grams: a row holds only the n-grams of the model, and the others are computed
    from the next shorter context when they are asked for.

    Args:
        ngrams: n-grams from `read_arpa` or `estimate_kneser_ney`.
        tokens: symbol of each class, without the blank; None for the words of the model, sorted.

    Attributes:
        tokens: symbol of each class.
        order: length of the longest n-gram.
        num_contexts: number of contexts, S.
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
        self._class_of = class_of
        rows = _contexts(ngrams, class_of)
        self.num_contexts = len(rows)
        self.start = _longest_known((START,), rows)
        # row of the longest shorter context, and back-off weight from it; the empty context, row 0, has neither
        self._shorter = np.zeros(len(rows), np.int32)
        self._backoffs = np.zeros(len(rows))
        following: list[tuple[int, int]] = []
        for context, row in rows.items():
            if context:
                self._shorter[row] = _longest_known(context[1:], rows)
                self._backoffs[row] = ngrams[len(context) - 1].get(context, (0.0, 0.0))[1] * _LN_10
                if context[-1] in class_of:
                    following.append((rows[context[:-1]] * len(class_of) + class_of[context[-1]], row))
        following.sort()
        self._following_keys = np.array([key for key, _ in following], np.int64)
        self._following = np.array([row for _, row in following], np.int32)
        column_of = {**class_of, END: len(class_of)}
        keys, values = array("q"), array("d")
        for entries in ngrams:
            for words, (log10_prob, _) in entries.items():
                place = rows.get(words[:-1])
                column = column_of.get(words[-1])
                if place is not None and column is not None:
                    keys.append(place * len(column_of) + column)
                    values.append(log10_prob * _LN_10)
        order = np.argsort(np.asarray(keys, np.int64), kind="stable")
        self._entry_keys = np.asarray(keys, np.int64)[order]
        self._entry_values = np.asarray(values, np.float64)[order]
        self._entry_offsets = np.searchsorted(self._entry_keys, np.arange(len(rows) + 1) * len(column_of))

    def log_prob_rows(self, contexts: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
        """Natural logarithm of the probability of each class after each of these contexts, (N, V + 1).

        Args:
            contexts: (N,), rows of contexts; the last column is the sentence end.
        """
        chain = [np.asarray(contexts, np.int64)]
        while chain[-1].any():
            chain.append(self._shorter[chain[-1]].astype(np.int64))
        num_columns = len(self.tokens) + 1
        found = np.full((len(chain[0]), num_columns), -np.inf)
        last = self._entry_offsets[1]
        found[:, self._entry_keys[:last]] = self._entry_values[:last]
        for rows in reversed(chain[:-1]):
            chosen = np.flatnonzero(rows)
            found[chosen] += self._backoffs[rows[chosen], None]
            firsts = self._entry_offsets[rows[chosen]]
            counts = self._entry_offsets[rows[chosen] + 1] - firsts
            entries = np.arange(counts.sum()) + np.repeat(firsts - np.cumsum(counts) + counts, counts)
            found[np.repeat(chosen, counts), self._entry_keys[entries] % num_columns] = self._entry_values[entries]
        return found

    def class_log_prob_rows(self, contexts: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
        """Log probabilities (N, V) after each of these contexts, renormalised over the classes, without the end."""
        over_classes = self.log_prob_rows(contexts)[:, :-1]
        highest = over_classes.max(axis=1, keepdims=True)
        totals = np.exp(over_classes - highest).sum(axis=1, keepdims=True)
        normalised: npt.NDArray[np.float64] = over_classes - highest - np.log(totals)
        return normalised

    def contexts_after(
        self, contexts: npt.NDArray[np.integer[Any]], classes: npt.NDArray[np.integer[Any]]
    ) -> npt.NDArray[np.int64]:
        """Row of the context that follows each class, (N,).

        Args:
            contexts: (N,), rows of contexts.
            classes: (N,), class after each of them.
        """
        rows, wanted = np.asarray(contexts, np.int64), np.asarray(classes, np.int64)
        found = np.zeros(len(rows), np.int64)
        left = np.arange(len(rows))
        while len(left):
            places, hits = _find(self._following_keys, rows[left] * len(self.tokens) + wanted[left])
            found[left[hits]] = self._following[places[hits]]
            left = left[~hits]
            left = left[rows[left] > 0]
            rows[left] = self._shorter[rows[left]]
        return found

    def _log_probs_after(self, contexts: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> _Floats:
        """Log probability of one column (the sentence end is the last) after each context, (N,)."""
        rows, left = contexts.copy(), np.arange(len(contexts))
        found = np.full(len(rows), -np.inf)
        passed: list[tuple[npt.NDArray[np.int64], _Floats]] = []
        while len(left):
            places, hits = _find(self._entry_keys, rows[left] * (len(self.tokens) + 1) + columns[left])
            found[left[hits]] = self._entry_values[places[hits]]
            left = left[~hits]
            left = left[rows[left] > 0]
            passed.append((left, self._backoffs[rows[left]]))
            rows[left] = self._shorter[rows[left]]
        for places, backoffs in reversed(passed):
            found[places] += backoffs
        return found

    @cached_property
    def log_probs(self) -> npt.NDArray[np.float64]:
        """`log_prob_rows` of all contexts, (S, V + 1), for models whose table is small."""
        return self.log_prob_rows(np.arange(self.num_contexts))

    @cached_property
    def next_contexts(self) -> npt.NDArray[np.int32]:
        """Row of the context that follows each class after each context, (S, V), for models whose table is small."""
        contexts, classes = np.divmod(np.arange(self.num_contexts * len(self.tokens)), len(self.tokens))
        return self.contexts_after(contexts, classes).astype(np.int32).reshape(self.num_contexts, -1)

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
        return self._log_prob_of_classes([self._classes(sentence)])[0]

    def _classes(self, sentence: Iterable[str]) -> list[int]:
        classes = []
        for symbol in sentence:
            number = self._class_of.get(symbol)
            if number is None:
                raise DataError(f"{symbol!r} is not among the {len(self.tokens)} tokens of the language model")
            classes.append(number)
        return classes

    def _log_prob_of_classes(self, sentences: Sequence[Sequence[int]]) -> list[float]:
        """Log probability of each sentence, including its end; all advance together, word by word."""
        lengths = np.array([len(classes) for classes in sentences])
        order = np.argsort(-lengths, kind="stable")
        padded = np.full((len(sentences), int(lengths.max(initial=0)) + 1), len(self.tokens))
        for place, i in enumerate(order.tolist()):
            padded[place, : lengths[i]] = sentences[i]
        contexts = np.full(len(sentences), self.start)
        totals = np.zeros(len(sentences))
        for t in range(padded.shape[1]):
            num_left = int(np.searchsorted(-lengths[order], -t, side="right"))
            totals[:num_left] += self._log_probs_after(contexts[:num_left], padded[:num_left, t])
            going = int(np.searchsorted(-lengths[order], -t, side="left"))
            contexts[:going] = self.contexts_after(contexts[:going], padded[:going, t])
        found = np.empty(len(sentences))
        found[order] = totals
        probs: list[float] = found.tolist()
        return probs

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """Inverse of the geometric mean probability of all tokens and sentence ends.

        Raises:
            DataError: a symbol is not one of the tokens, or there is no sentence.
        """
        total, num_predicted = 0.0, 0
        waiting = iter(sentences)
        while some := [self._classes(sentence) for sentence in islice(waiting, _SENTENCES_AT_ONCE)]:
            for log_prob in self._log_prob_of_classes(some):
                total += log_prob
            num_predicted += sum(len(classes) + 1 for classes in some)
        if not num_predicted:
            raise DataError("there is no sentence to compute the perplexity of")
        return math.exp(-total / num_predicted)

    def class_log_probs(self) -> npt.NDArray[np.float64]:
        """`class_log_prob_rows` of all contexts, (S, V), for models whose table is small; do not change it."""
        return self._class_table

    @cached_property
    def _class_table(self) -> npt.NDArray[np.float64]:
        return self.class_log_prob_rows(np.arange(self.num_contexts))


def _find(
    sorted_keys: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Place of each key among sorted keys, and whether it is there."""
    places = np.searchsorted(sorted_keys, keys)
    if not len(sorted_keys):
        return places, np.zeros(len(keys), dtype=bool)
    return places, sorted_keys[np.minimum(places, len(sorted_keys) - 1)] == keys


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
