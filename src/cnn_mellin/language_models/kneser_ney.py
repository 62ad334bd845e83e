"""Interpolated modified Kneser-Ney estimation of n-gram models (Chen and Goodman, 1998)."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.arpa import END, START, Ngrams

__all__ = ["FIXED_DISCOUNTS", "estimate_kneser_ney"]

# Discounts of n-grams that occur once, twice, and more often.
FIXED_DISCOUNTS = (0.5, 1.0, 1.5)

_Counts = dict[tuple[str, ...], int]


def estimate_kneser_ney(
    sentences: Sequence[Sequence[str]],
    tokens: Sequence[str],
    order: int = 3,
    *,
    discounts: Literal["fixed", "estimated"] = "fixed",
    unique: bool = True,
) -> Ngrams:
    """Estimate a model that gives every token a positive probability, seen or not.

    Args:
        sentences: sentences of tokens, without marks of start and end.
        tokens: all tokens; unigrams are interpolated with a uniform distribution over them and the sentence end.
        order: length of the longest n-gram, at least 1.
        discounts: `fixed` uses FIXED_DISCOUNTS at every order; `estimated` uses Chen and Goodman's estimates from the
            counts of counts, or the fixed ones at orders where these do not exist (few phone bigrams occur only once).
        unique: count repeated sentences once (prompts that many speakers read).

    Raises:
        ValueError: the order is below 1, or the kind of discounts is unknown.
        DataError: there is no sentence, or a symbol is not one of the tokens.

    >>> model = estimate_kneser_ney([["a", "b"], ["a", "a", "b"]], ["a", "b", "c"], order=2)
    >>> [len(entries) for entries in model]
    [5, 4]
    >>> round(10 ** model[1]["<s>", "a"][0], 4)  # (2 - 1.0) / 2 + 1.0 / 2 * p(a), p(a) = 0.375
    0.6875
    """
    if order < 1:
        raise ValueError(f"order is {order}; it must be at least 1")
    if discounts not in ("fixed", "estimated"):
        raise ValueError(f"discounts is {discounts!r}; it must be 'fixed' or 'estimated'")
    if not sentences:
        raise DataError("there is no sentence to estimate a language model from")
    unknown = sorted({token for sentence in sentences for token in sentence} - set(tokens))
    if unknown:
        raise DataError(f"{len(unknown)} symbols are not among the {len(tokens)} tokens: {', '.join(unknown[:5])}")
    counts = _adjusted_counts(sorted({tuple(s) for s in sentences}) if unique else [*map(tuple, sentences)], order)
    uniform = 1.0 / (len(set(tokens)) + 1)
    probabilities: dict[tuple[str, ...], float] = {}
    backoffs: dict[tuple[str, ...], float] = {}
    for length, counted in enumerate(counts, 1):
        discount_of = _estimated_discounts(counted) if discounts == "estimated" else FIXED_DISCOUNTS
        totals: defaultdict[tuple[str, ...], int] = defaultdict(int)
        discounted: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for ngram, count in counted.items():
            totals[ngram[:-1]] += count
            discounted[ngram[:-1]] += discount_of[min(count, 3) - 1]
        for context, total in totals.items():
            backoffs[context] = discounted[context] / total
        if length == 1:
            counted = {(token,): 0 for token in (*tokens, END)} | counted
        for ngram, count in counted.items():
            context = ngram[:-1]
            above_discount = count - discount_of[min(count, 3) - 1] if count else 0.0
            lower = probabilities[ngram[1:]] if length > 1 else uniform
            probabilities[ngram] = above_discount / totals[context] + backoffs[context] * lower
    ngrams: Ngrams = [{} for _ in range(order)]
    ngrams[0][START,] = (-99.0, _log10(backoffs.get((START,), 1.0)))
    for ngram, probability in probabilities.items():
        ngrams[len(ngram) - 1][ngram] = (_log10(probability), _log10(backoffs.get(ngram, 1.0)))
    return ngrams


def _adjusted_counts(sentences: Sequence[tuple[str, ...]], order: int) -> list[_Counts]:
    """Counts of the highest order; below it, the number of distinct tokens that precede each n-gram.

    N-grams that begin with the sentence start have no predecessor and keep their counts.
    """
    raw: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        marked = (START, *sentence, END)
        for length in range(1, order + 1):
            raw[length - 1].update(marked[i : i + length] for i in range(len(marked) - length + 1))
    adjusted: list[_Counts] = []
    for length in range(1, order):
        preceded = Counter(ngram[1:] for ngram in raw[length])
        adjusted.append({ngram: preceded.get(ngram) or count for ngram, count in raw[length - 1].items()})
    adjusted.append(dict(raw[-1]))
    adjusted[0].pop((START,))
    return adjusted


def _estimated_discounts(counted: _Counts) -> tuple[float, float, float]:
    """Chen and Goodman's D1, D2 and D3+, or the fixed discounts if the counts of counts give no estimate."""
    of_count = Counter(counted.values())
    n1, n2, n3, n4 = (of_count[k] for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return FIXED_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    estimated = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    valid = all(0 < discount <= k for k, discount in enumerate(estimated, 1))
    return estimated if valid else FIXED_DISCOUNTS


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else -99.0
