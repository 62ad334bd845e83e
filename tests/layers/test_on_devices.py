"""Every layer computes the same on every device, forward and backward."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch

from cnn_mellin.layers import (
    AttentionPooling,
    DilationLift,
    LogCompression,
    LogTimeFrontEnd,
    MellinConv1d,
    MellinLinearConv2d,
)

LAYERS: list[tuple[Callable[[], torch.nn.Module], tuple[int, ...]]] = [
    (lambda: MellinConv1d(3, 4, 5, output_length=30, dtype=torch.float64), (2, 3, 30)),
    (lambda: MellinLinearConv2d(3, 4, (3, 3), output_length=6, padding=(1, 2), dtype=torch.float64), (2, 3, 6, 5)),
    (lambda: MellinLinearConv2d(3, 4, (6, 2), input_dilation=3, output_length=2, dtype=torch.float64), (2, 3, 2, 5)),
    (lambda: LogTimeFrontEnd(3, 4, 5, window_size=9, kernel_offset=2, dtype=torch.float64), (2, 3, 31)),
    (lambda: LogTimeFrontEnd(3, 4, 5, window_size=9, log_time=False, dtype=torch.float64), (2, 3, 31)),
    (lambda: LogCompression(dtype=torch.float64), (2, 7)),
    (lambda: AttentionPooling(3, 5, dtype=torch.float64), (2, 3, 7, 5)),
    (lambda: DilationLift(1, dtype=torch.float64), (2, 7)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_outputs_and_gradients_equal_those_on_the_cpu(make, shape, device):
    torch.manual_seed(1)
    layer, signal = make(), torch.randn(shape, dtype=torch.float64)
    found = []
    for place in ("cpu", device):
        moved, leaf = copy.deepcopy(layer).to(place), signal.to(place).requires_grad_()
        out = moved(leaf)
        gradients = torch.autograd.grad(out.square().sum(), [leaf, *moved.parameters()])
        assert all(tensor.device == leaf.device for tensor in (out, *gradients))
        found.append([tensor.cpu() for tensor in (out.detach(), *gradients)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
