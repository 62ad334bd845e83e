"""Scores of given sequences: compared with the sum over all alignments."""

import math

import pytest
import torch

from cnn_mellin.decoding.brute_force import all_sequences
from cnn_mellin.decoding.sequence_scores import sequence_log_probs


@pytest.mark.parametrize("num_frames", [0, 1, 2, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_equal_the_sum_over_all_alignments(num_frames, dtype):
    logits = 2 * torch.randn(num_frames, 3, dtype=dtype, generator=torch.Generator().manual_seed(num_frames))
    truth = all_sequences(logits.double())
    found = sequence_log_probs(logits, [classes for classes, _ in truth])
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx([score for _, score in truth], abs=1e-9)


def test_sequences_that_do_not_fit_have_probability_0():
    assert sequence_log_probs(torch.zeros(2, 3), [[0, 0], [0, 1, 0], [0, 1]]).tolist() == pytest.approx(
        [-math.inf, -math.inf, math.log(1 / 9)]
    )
    assert sequence_log_probs(torch.zeros(0, 3), [[], [1]]).tolist() == [0, -math.inf]
    assert sequence_log_probs(torch.zeros(2, 3), []).tolist() == []


@pytest.mark.parametrize("classes", [[2], [0, -1], [0.5], [True]])
def test_classes_out_of_range_are_refused(classes):
    with pytest.raises(ValueError, match=rf"sequences\[1\] holds class {classes[-1]}; classes lie in 0\.\.1"):
        sequence_log_probs(torch.zeros(4, 3), [[0], classes])
