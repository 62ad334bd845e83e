"""Tables of n-gram models: compared with KenLM, and with the recursion over the back-offs of the file."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.arpa import Ngrams, write_arpa
from cnn_mellin.language_models.kneser_ney import estimate_kneser_ney
from cnn_mellin.language_models.ngram_model import NgramModel

TOKENS = ["e", "d", "c", "b", "a"]


def backed_off(ngrams: Ngrams, words: tuple[str, ...]) -> float:
    """Base-10 logarithm of the probability of the last word after the others, as ARPA files define it."""
    words = words[-len(ngrams) :]
    if words in ngrams[len(words) - 1]:
        return ngrams[len(words) - 1][words][0]
    weight = ngrams[len(words) - 2].get(words[:-1], (0.0, 0.0))[1]
    return weight + backed_off(ngrams, words[1:])


def pruned(ngrams: Ngrams, keep: float) -> Ngrams:
    """The model without some n-grams, so that some contexts and their suffixes are missing."""
    rng = random.Random(9)
    return [ngrams[0], *({w: e for w, e in entries.items() if rng.random() < keep} for entries in ngrams[1:])]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_tables_equal_the_recursion_over_backoffs(
    training_sentences: list[list[str]], test_sentences: list[list[str]], order: int, keep: float
) -> None:
    ngrams = pruned(estimate_kneser_ney(training_sentences, TOKENS, order), keep)
    model = NgramModel(ngrams, TOKENS)
    for sentence in test_sentences:
        words = ("<s>", *sentence, "</s>")
        expected = sum(backed_off(ngrams, words[: i + 1]) for i in range(1, len(words)))
        assert model.log_prob(sentence) == pytest.approx(expected * math.log(10), rel=1e-12)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_perplexity_equals_that_of_kenlm(
    training_sentences: list[list[str]], test_sentences: list[list[str]], order: int, tmp_path: Path
) -> None:
    kenlm = pytest.importorskip("kenlm", reason="kenlm is missing (Python package kenlm)")
    write_arpa(tmp_path / "lm.arpa.gz", estimate_kneser_ney(training_sentences, TOKENS, order))
    theirs = kenlm.Model(str(tmp_path / "lm.arpa.gz"))
    total = sum(theirs.score(" ".join(sentence), bos=True, eos=True) for sentence in test_sentences)
    num_predicted = sum(len(sentence) + 1 for sentence in test_sentences)
    model = NgramModel.from_arpa(tmp_path / "lm.arpa.gz", TOKENS)
    assert model.perplexity(test_sentences) == pytest.approx(10 ** (-total / num_predicted), abs=1e-4)


def test_a_model_is_equal_after_writing_and_reading(training_sentences: list[list[str]], tmp_path: Path) -> None:
    ngrams = estimate_kneser_ney(training_sentences, TOKENS)
    write_arpa(tmp_path / "lm.arpa", ngrams)
    ours, read = NgramModel(ngrams, TOKENS), NgramModel.from_arpa(tmp_path / "lm.arpa", TOKENS)
    np.testing.assert_allclose(read.log_probs, ours.log_probs, atol=2e-6)
    np.testing.assert_array_equal(read.next_contexts, ours.next_contexts)
    assert (read.tokens, read.order, read.start) == (tuple(TOKENS), 3, ours.start)


def test_columns_have_the_order_of_the_tokens(training_sentences: list[list[str]]) -> None:
    ngrams = estimate_kneser_ney(training_sentences, TOKENS)
    ours, turned = NgramModel(ngrams, TOKENS), NgramModel(ngrams)
    assert turned.tokens == ("a", "b", "c", "d", "e")
    np.testing.assert_array_equal(ours.log_probs[ours.start, :5], turned.log_probs[turned.start, 4::-1])


def test_class_probabilities_sum_to_one_without_the_end(training_sentences: list[list[str]]) -> None:
    model = NgramModel(estimate_kneser_ney(training_sentences, TOKENS), TOKENS)
    table = model.class_log_probs()
    np.testing.assert_allclose(np.exp(table).sum(axis=1), 1.0, atol=1e-12)
    with_end = model.log_probs[:, :-1]
    np.testing.assert_allclose(table - table[:, :1], with_end - with_end[:, :1], atol=1e-12)


def test_the_error_names_other_tokens(training_sentences: list[list[str]], tmp_path: Path) -> None:
    write_arpa(tmp_path / "lm.arpa", estimate_kneser_ney(training_sentences, TOKENS))
    with pytest.raises(DataError, match=r"lm.arpa: 1 tokens are not in the language model: x; both must use"):
        NgramModel.from_arpa(tmp_path / "lm.arpa", [*TOKENS, "x"])
    with pytest.raises(DataError, match=r"2 words of the language model are not among the tokens: a, b; both"):
        NgramModel.from_arpa(tmp_path / "lm.arpa", TOKENS[:3])
    with pytest.raises(DataError, match="duplicate token; each class"):
        NgramModel.from_arpa(tmp_path / "lm.arpa", [*TOKENS, "a"])


def test_unknown_symbols_and_empty_input_are_refused(training_sentences: list[list[str]]) -> None:
    model = NgramModel(estimate_kneser_ney(training_sentences, TOKENS), TOKENS)
    with pytest.raises(DataError, match="'x' is not among the 5 tokens of the language model"):
        model.perplexity([["a", "x"]])
    with pytest.raises(DataError, match="there is no sentence"):
        model.perplexity([])


def test_rows_of_some_contexts_equal_those_of_the_tables(training_sentences: list[list[str]]) -> None:
    model = NgramModel(pruned(estimate_kneser_ney(training_sentences, TOKENS, 4), 0.5), TOKENS)
    contexts = np.random.default_rng(1).integers(0, model.num_contexts, 200)
    classes = np.random.default_rng(2).integers(0, len(TOKENS), 200)
    np.testing.assert_array_equal(model.log_prob_rows(contexts), model.log_probs[contexts])
    np.testing.assert_array_equal(model.class_log_prob_rows(contexts), model.class_log_probs()[contexts])
    np.testing.assert_array_equal(model.contexts_after(contexts, classes), model.next_contexts[contexts, classes])
    assert model.log_prob_rows(contexts[:0]).shape == (0, 6)


def test_memory_grows_with_the_number_of_ngrams_not_with_contexts_by_units() -> None:
    stream, units = np.random.default_rng(1), [f"u{i:03}" for i in range(500)]
    pairs = stream.permutation(500 * 500)[:20_000].tolist()
    ngrams: Ngrams = [
        {("<s>",): (-99.0, -0.3), ("</s>",): (-2.5, 0.0), **{(unit,): (-2.7, -0.3) for unit in units}},
        {(units[pair // 500], units[pair % 500]): (-1.5, -0.4) for pair in pairs},
        {(units[pair // 500], units[pair % 500], units[pair % 7]): (-1.0, 0.0) for pair in pairs},
    ]
    model = NgramModel(ngrams, units)
    sentences = [[units[i] for i in stream.integers(0, 500, 20)] for _ in range(20)]
    assert model.num_contexts > 20_000
    assert 1 < model.perplexity(sentences) < 1e6
    held = sum(value.nbytes for value in vars(model).values() if isinstance(value, np.ndarray))
    assert held < 60 * sum(map(len, ngrams))  # a table has 10 million cells
