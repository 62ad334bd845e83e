import math

import pytest
import torch

from cnn_mellin.decoding.blank_bias import add_blank_bias
from cnn_mellin.decoding.greedy import greedy_search


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_only_the_odds_of_the_blank_change(dtype: torch.dtype) -> None:
    logits = torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    kept = logits.clone()
    biased = add_blank_bias(logits, -1.5)
    assert torch.equal(logits, kept)
    assert biased.dtype == torch.promote_types(dtype, torch.float32)
    before, after = logits.double().softmax(2), biased.double().softmax(2)
    odds = [probs[..., -1] / probs[..., 1] for probs in (before, after)]
    assert torch.allclose(odds[1], odds[0] * math.exp(-1.5), rtol=1e-6)
    assert torch.allclose(after[..., 0] / after[..., 1], before[..., 0] / before[..., 1], rtol=1e-6)


def test_without_a_bias_the_logits_are_returned() -> None:
    logits = torch.zeros(2, 3)
    assert add_blank_bias(logits, 0) is logits


def test_it_is_a_threshold_of_greedy_search() -> None:
    # the blank wins every frame of the symbol by 1
    logits = torch.tensor([[[2.0, 3.0], [0.0, 9.0], [2.0, 3.0]]])
    found = [greedy_search(add_blank_bias(logits, bias), torch.tensor([3]))[0] for bias in (0, -0.9, -1.1, -20)]
    assert found == [[], [], [0, 0], [0]]


@pytest.mark.parametrize(
    ("logits", "blank_bias", "message"),
    [
        (torch.zeros(2, 3), float("nan"), "blank_bias is nan; it must be finite"),
        (torch.zeros(2, 3, dtype=torch.int64), 1.0, "logits has dtype torch.int64; it must be floating-point"),
    ],
)
def test_wrong_arguments_are_named(logits: torch.Tensor, blank_bias: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        add_blank_bias(logits, blank_bias)
