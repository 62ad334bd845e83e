"""Mellin correlation of many overlapping windows of one signal, whose products with the kernel are shared.

Legend: N batch, C channel, T time, O output channel, K kernel row, A window (anchor), L output frame of a window.
Window a begins at frame a * stride. Its output t is the sum over rows k of kernel[k] x[a * stride + i(t, k)], where i
is the frame that `mellin_tap_table` names. A frame lies in many windows and meets the same kernel row in most of them;
so each frame is multiplied by each row once, and what is left to do for a window is to add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cnn_mellin.ops.tap_table import mellin_tap_table

__all__ = ["correlate_windows", "num_windows"]

# Output frame, kernel row, and frame of the window that they meet at.
_Taps = Sequence[tuple[int, int, int]]


def num_windows(num_frames: int, window_stride: int) -> int:
    """Windows of a signal: every `window_stride` frames one begins, and each holds a frame at least.

    >>> num_windows(7, 3)
    3
    """
    return (num_frames - 1) // window_stride + 1 if num_frames else 0


def correlate_windows(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    window_size: int,
    window_stride: int,
    kernel_offset: int = 1,
    output_length: int,
) -> torch.Tensor:
    """Mellin correlation of every window with a kernel.

    Args:
        signal: (N, C, T).
        kernel: (O, C, K).
        bias: (O,).
        window_size: frames in a window; a window that runs past the end of the signal meets zeros there.
        window_stride: frames from the start of a window to the start of the next.
        kernel_offset: d of `mellin_correlate_1d`.
        output_length: output frames of a window, L.

    Returns:
        (N, O, L, A) with A = `num_windows(T, window_stride)`: what `mellin_correlate_1d` gives of each window.

    >>> signal = torch.arange(1.0, 7.0).view(1, 1, 6)
    >>> correlate_windows(signal, torch.tensor([[[1.0, 10.0]]]), window_size=4, window_stride=2, output_length=2)
    tensor([[[[21., 43., 65.],
              [42., 64.,  6.]]]])
    """
    table = mellin_tap_table(window_size, kernel.size(2), kernel_offset=kernel_offset, output_length=output_length)
    taps = [(output, tap.kernel_row, tap.frame) for output, taken in enumerate(table.outputs) for tap in taken]
    windows = num_windows(signal.size(2), window_stride)
    rows = kernel.permute(1, 2, 0).flatten(1)  # (C, K O)
    products = (signal.transpose(1, 2) @ rows).unflatten(2, (kernel.size(2), -1))  # (N, T, K, O)
    summed = _SumTaps.apply(products, taps, windows, window_stride, output_length)
    if bias is not None:
        summed = summed + bias
    return summed.permute(0, 3, 2, 1)


class _SumTaps(torch.autograd.Function):
    """(N, T, K, O) -> (N, A, L, O); linear, so that its backward is the same taps read the other way."""

    @staticmethod
    def forward(
        ctx: Any, products: torch.Tensor, taps: _Taps, windows: int, stride: int, output_length: int
    ) -> torch.Tensor:
        ctx.how, ctx.shape = (taps, windows, stride, output_length), products.shape
        summed = products.new_zeros(products.size(0), windows, output_length, products.size(3))
        for output, row, frame in taps:
            met = products[:, frame::stride, row]
            summed[:, : met.size(1), output] += met[:, :windows]
        return summed

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _SpreadTaps.apply(grad_output, ctx.how, ctx.shape), None, None, None, None


class _SpreadTaps(torch.autograd.Function):
    """The transpose of `_SumTaps`."""

    @staticmethod
    def forward(ctx: Any, grad_output: torch.Tensor, how: tuple[Any, ...], shape: torch.Size) -> torch.Tensor:
        taps, windows, stride, _ = ctx.how = how
        grad_products = grad_output.new_zeros(shape)
        for output, row, frame in taps:
            met = grad_products[:, frame::stride, row]
            met[:, :windows] += grad_output[:, : met.size(1), output]
        return grad_products

    @staticmethod
    def backward(ctx: Any, grad_grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _SumTaps.apply(grad_grad, *ctx.how), None, None
