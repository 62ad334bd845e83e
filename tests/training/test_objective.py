import itertools
import math

import pytest
import torch

from cnn_mellin.training.objective import can_emit, ctc_losses, frames_needed


def collapse(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != blank)


def brute_force(logits: torch.Tensor, reference: tuple[int, ...]) -> float:
    """-ln of the summed probability of all paths."""
    probabilities = logits.softmax(1)
    frames, classes = logits.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=frames):
        if collapse(path, classes - 1) == reference:
            total += math.prod(float(probabilities[t, symbol]) for t, symbol in enumerate(path))
    return -math.log(total)


def test_losses_equal_the_sum_over_all_paths_divided_by_the_phones():
    torch.manual_seed(1)
    logits = torch.randn(2, 5, 3, dtype=torch.float64)
    references = [(0, 0, 1), (1,)]
    losses = ctc_losses(logits, torch.tensor([5, 3]), torch.tensor([0, 0, 1, 1]), torch.tensor([3, 1]))
    expected = [brute_force(logits[0], references[0]) / 3, brute_force(logits[1, :3], references[1])]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)
    assert float(losses.mean()) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_mean_over_utterances_does_not_depend_on_the_batch():
    torch.manual_seed(1)
    logits, lengths = torch.randn(4, 6, 3), torch.tensor([6, 5, 6, 4])
    references, reference_lengths = torch.tensor([0, 1, 1, 0, 1, 0]), torch.tensor([2, 1, 2, 1])
    whole = ctc_losses(logits, lengths, references, reference_lengths)
    halves = [
        ctc_losses(logits[:2], lengths[:2], references[:3], reference_lengths[:2]),
        ctc_losses(logits[2:], lengths[2:], references[3:], reference_lengths[2:]),
    ]
    assert float(whole.mean()) == pytest.approx(sum(float(half.mean()) for half in halves) / 2)


def test_references_that_cannot_be_emitted_are_marked_and_give_no_gradient():
    logits = torch.zeros(2, 3, 3, requires_grad=True)
    lengths, references, reference_lengths = torch.tensor([3, 3]), torch.tensor([0, 0, 1, 0]), torch.tensor([3, 1])
    losses = ctc_losses(logits, lengths, references, reference_lengths)
    assert can_emit(lengths, references, reference_lengths).tolist() == [False, True]
    assert losses[0] == 0
    losses.mean().backward()
    assert logits.grad is not None
    assert [bool(gradient.any()) for gradient in logits.grad] == [False, True]


def test_frames_needed_counts_repeats():
    references = torch.tensor([1, 1, 1, 2, 2, 3, 0])
    assert frames_needed(references, torch.tensor([5, 0, 2])).tolist() == [8, 0, 2]


def test_empty_reference_has_a_finite_loss():
    losses = ctc_losses(torch.zeros(1, 3, 3), torch.tensor([3]), torch.tensor([], dtype=torch.long), torch.tensor([0]))
    assert float(losses.mean()) == pytest.approx(3 * math.log(3))
