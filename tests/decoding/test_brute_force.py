"""Reference decoders: compared with torch's CTC loss and sums by hand."""

import math
import random

import pytest
import torch

from cnn_mellin.decoding.brute_force import all_sequences, simple_prefix_search
from cnn_mellin.language_models import NgramModel, estimate_kneser_ney


def test_scores_are_those_of_the_ctc_loss() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    scores = all_sequences(logits)
    assert sum(math.exp(score) for _, score in scores) == pytest.approx(1.0)
    assert len(scores) == 25  # of the 63 sequences of length <= 5, those with room for the blanks between repeats
    for classes, score in scores:
        if classes:
            loss = torch.nn.functional.ctc_loss(
                logits.log_softmax(1), torch.tensor(classes), torch.tensor(5), torch.tensor(len(classes)), 2, "sum"
            )
            assert score == pytest.approx(-loss.item(), abs=1e-12)


def test_language_model_is_added() -> None:
    model = NgramModel(estimate_kneser_ney([["a", "b"], ["b"]], ["a", "b"], 2), ["a", "b"])
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(4))
    plain = {tuple(classes): score for classes, score in all_sequences(logits)}
    fused = {tuple(classes): score for classes, score in all_sequences(logits, language_model=model, lm_weight=0.5)}
    table = model.class_log_probs()
    after_b = model.next_contexts[model.start, 1]
    assert fused[1, 0] - plain[1, 0] == pytest.approx(0.5 * (table[model.start, 1] + table[after_b, 0]))
    assert fused[()] == plain[()]


def test_the_bonus_is_added_per_class_and_the_biased_scores_are_those_of_the_ctc_loss() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    found = all_sequences(logits, insertion_bonus=0.7, blank_bias=-1.2)
    log_probs = (logits + torch.tensor([0, 0, -1.2], dtype=torch.float64)).log_softmax(1)
    assert sum(math.exp(score - 0.7 * len(classes)) for classes, score in found) == pytest.approx(1.0)
    for classes, score in found:
        if classes:
            loss = torch.nn.functional.ctc_loss(
                log_probs, torch.tensor(classes), torch.tensor(4), torch.tensor(len(classes)), 2, "sum"
            )
            assert score == pytest.approx(-loss.item() + 0.7 * len(classes), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_full_search_finds_everything(seed: int) -> None:
    logits = torch.randn(random.Random(seed).randint(1, 6), 3, generator=torch.Generator().manual_seed(seed))
    found, truth = simple_prefix_search(logits, 1000), all_sequences(logits)
    assert [classes for classes, _ in found] == [classes for classes, _ in truth]
    assert [score for _, score in found] == pytest.approx([score for _, score in truth], abs=1e-12)


def test_a_narrow_search_keeps_less() -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    assert len(simple_prefix_search(logits, 2)) == 2
    assert simple_prefix_search(logits, 2)[0][1] < all_sequences(logits)[0][1]
