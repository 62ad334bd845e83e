"""Estimation: compared with a slow implementation of the definitions, and laws."""

import itertools
import math
from typing import Literal

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.kneser_ney import estimate_kneser_ney
from cnn_mellin.language_models.ngram_model import NgramModel

TOKENS = ["a", "b", "c", "d", "e"]


class ByDefinition:
    """p(w | context) by recursion, with counts from a search of all sentences."""

    def __init__(self, sentences: list[list[str]], order: int, estimated: bool) -> None:
        self.sentences = [("<s>", *sentence, "</s>") for sentence in sentences]
        self.order, self.words = order, [*TOKENS, "</s>"]
        self.occurring = {
            length: {s[i : i + length] for s in self.sentences for i in range(len(s) - length + 1)}
            for length in range(1, order + 2)
        }
        self.discounts = {length: self.discounts_of(length, estimated) for length in range(1, order + 1)}

    def count(self, ngram: tuple[str, ...]) -> int:
        if len(ngram) < self.order and ngram[0] != "<s>":
            return sum((left, *ngram) in self.occurring[len(ngram) + 1] for left in ["<s>", *TOKENS])
        return sum(s[i : i + len(ngram)] == ngram for s in self.sentences for i in range(len(s)))

    def discounts_of(self, length: int, estimated: bool) -> tuple[float, ...]:
        counts = [self.count(ngram) for ngram in self.occurring[length] if ngram != ("<s>",)]
        n1, n2, n3, n4 = (counts.count(k) for k in (1, 2, 3, 4))
        if not estimated or not (n1 and n2 and n3):
            return (0.5, 1.0, 1.5)
        found = tuple(k - (k + 1) * n1 / (n1 + 2 * n2) * b / a for k, a, b in ((1, n1, n2), (2, n2, n3), (3, n3, n4)))
        return found if all(0 < d <= k for k, d in enumerate(found, 1)) else (0.5, 1.0, 1.5)

    def probability(self, context: tuple[str, ...], word: str) -> float:
        lower = self.probability(context[1:], word) if context else 1 / len(self.words)
        counts = {other: self.count((*context, other)) for other in self.words}
        total = sum(counts.values())
        if not total:
            return lower
        discounts = {w: self.discounts[len(context) + 1][min(c, 3) - 1] if c else 0.0 for w, c in counts.items()}
        return (counts[word] - discounts[word] + sum(discounts.values()) * lower) / total


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("discounts", ["fixed", "estimated"])
def test_estimate_equals_the_definition(
    training_sentences: list[list[str]], order: int, discounts: Literal["fixed", "estimated"]
) -> None:
    sentences = training_sentences[:40]
    ngrams = estimate_kneser_ney(sentences, TOKENS, order, discounts=discounts, unique=False)
    truth = ByDefinition(sentences, order, discounts == "estimated")
    for entries in ngrams:
        for words, (log10_prob, _) in entries.items():
            if words != ("<s>",):
                assert 10**log10_prob == pytest.approx(truth.probability(words[:-1], words[-1]), rel=1e-9)
    model = NgramModel(ngrams, TOKENS)
    for context in itertools.product(["<s>", *TOKENS], TOKENS):
        if context[0] != "<s>" or order == 1:
            continue
        row = model.next_contexts[model.start, TOKENS.index(context[1])]
        found = [math.exp(value) for value in model.log_probs[row]]
        expected = [truth.probability(context[-(order - 1) :], word) for word in [*TOKENS, "</s>"]]
        assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("discounts", ["fixed", "estimated"])
def test_probabilities_after_every_context_sum_to_one(
    training_sentences: list[list[str]], order: int, discounts: Literal["fixed", "estimated"]
) -> None:
    model = NgramModel(estimate_kneser_ney(training_sentences, TOKENS, order, discounts=discounts), TOKENS)
    for row in model.log_probs:
        assert sum(math.exp(value) for value in row) == pytest.approx(1.0, abs=1e-12)
        assert min(row) > -20  # also the symbol that never occurs


def test_repeated_sentences_count_once() -> None:
    sentences = [["a", "b"], ["a", "b"], ["b"]]
    assert estimate_kneser_ney(sentences, TOKENS) == estimate_kneser_ney(sentences[1:], TOKENS)
    assert estimate_kneser_ney(sentences, TOKENS, unique=False) != estimate_kneser_ney(sentences[1:], TOKENS)


def test_estimated_discounts_differ_if_the_counts_allow(training_sentences: list[list[str]]) -> None:
    fixed, estimated = (
        estimate_kneser_ney(training_sentences, TOKENS, 4, discounts=kind) for kind in ("fixed", "estimated")
    )
    assert fixed[3] != estimated[3]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="order is 0; it must be at least 1"):
        estimate_kneser_ney([["a"]], TOKENS, 0)
    with pytest.raises(ValueError, match="discounts is 'none'; it must be 'fixed' or 'estimated'"):
        estimate_kneser_ney([["a"]], TOKENS, discounts="none")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="there is no sentence"):
        estimate_kneser_ney([], TOKENS)
    with pytest.raises(DataError, match="1 symbols are not among the 5 tokens: x"):
        estimate_kneser_ney([["a", "x"]], TOKENS)
