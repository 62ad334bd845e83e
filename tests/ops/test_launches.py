"""Operations that a Mellin correlation makes on an accelerator."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cnn_mellin.layers import LogTimeFrontEnd, MellinConv1d, MellinLinearConv2d

MOST_FORWARD, MOST_BACKWARD = 6, 12


def layer_2d(frames: int, kernel: int, **options: Any) -> tuple[torch.nn.Module, tuple[int, ...]]:
    return MellinLinearConv2d(3, 4, (kernel, 3), output_length=frames, padding=(1, 2), **options), (2, 3, frames, 8)


def layer_1d(frames: int, kernel: int) -> tuple[torch.nn.Module, tuple[int, ...]]:
    return MellinConv1d(3, 4, kernel, output_length=frames), (2, 3, frames)


class Front(torch.nn.Module):
    """The correlation of `LogTimeFrontEnd`, before it pools."""

    def __init__(self, window: int, kernel: int) -> None:
        super().__init__()
        self.layer = LogTimeFrontEnd(3, 4, kernel, window_size=window, window_stride=2, kernel_offset=4)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.layer._in_log_time(signal)


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        *(layer_2d(frames, kernel) for frames, kernel in ((2, 6), (5, 3), (10, 10), (64, 24))),
        layer_2d(12, 5, input_dilation=3),
        *(layer_1d(frames, kernel) for frames, kernel in ((200, 3), (1000, 10))),
        *((Front(window, kernel), (2, 3, 70)) for window, kernel in ((24, 8), (48, 12))),
    ],
    ids=str,
)
def test_a_layer_makes_few_operations_whatever_the_window(made, shape, pretend):
    layer = made.to("pretend")
    signal = torch.randn(shape).to("pretend").requires_grad_()
    layer(signal)  # sends the indices, which stay
    with pretend.counting() as forward:
        out = layer(signal)
    grad_output = torch.randn(out.shape).to("pretend")
    with pretend.counting() as backward:
        out.backward(grad_output)
    assert 1 <= forward.launches <= MOST_FORWARD, forward.operations
    assert 1 <= backward.launches <= MOST_BACKWARD, backward.operations
    for counts in (forward, backward):
        assert (counts.to_device, counts.to_host, counts.waits) == ([], [], {})
