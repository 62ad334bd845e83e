import pytest
import torch

from cnn_mellin.decoding.brute_force import all_sequences, simple_prefix_search
from cnn_mellin.decoding.logit_batch import check_logits


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (torch.zeros(2, 3, 4), r"logits has shape \(2, 3, 4\); it must be \(T, V\), with at least the blank"),
        (torch.zeros(2, 0), r"logits has shape \(2, 0\); it must be \(T, V\)"),
        (torch.zeros(2, 3, dtype=torch.int64), "logits has dtype torch.int64; it must be floating-point"),
        (torch.full((2, 3), float("nan")), "logits hold NaN; has the model diverged"),
    ],
)
def test_wrong_logits_of_one_utterance_are_named(logits, message):
    for function in (check_logits, all_sequences, lambda logits: simple_prefix_search(logits, 2)):
        with pytest.raises(ValueError, match=message):
            function(logits)


def test_wrong_beam_width_is_named():
    with pytest.raises(ValueError, match="beam_width is 0; it must be at least 1"):
        simple_prefix_search(torch.zeros(2, 3), 0)
