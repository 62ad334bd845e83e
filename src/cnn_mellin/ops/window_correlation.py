"""Mellin correlation of many overlapping windows of one signal, which share their products with the kernel.

Legend: N batch, C channel, T time, O output channel, K kernel row, A window (anchor), L output frame of a window.
Window a begins at frame a * stride. Its output t is the sum over rows k of kernel[k] x[a * stride + i(t, k)], where i
is the frame given by `mellin_tap_table`. A frame lies in many windows and meets the same kernel row in most of them, so
each frame is multiplied by each row once, and a window only adds up such products: tap by tap, or on accelerators,
where operations cost more to launch, from one gathered copy of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from cnn_mellin.ops.shape_cache import cached_by_shape
from cnn_mellin.ops.tap_table import mellin_tap_table
from cnn_mellin.ops.tensor_checks import check_tensors
from cnn_mellin.ops.tracing import is_traced

__all__ = ["correlate_windows", "num_windows"]

Count = TypeVar("Count", int, torch.Tensor)

# Output frame, kernel row, and frame of the window.
_Taps = Sequence[tuple[int, int, int]]


def num_windows(num_frames: Count, window_stride: int) -> Count:
    """Number of windows of a signal: one begins every `window_stride` frames, and each has at least one frame.

    Args:
        num_frames: frames in the signal, or a tensor of whole numbers with the frames of several signals.
        window_stride: frames from the start of a window to the start of the next.

    >>> num_windows(7, 3), num_windows(torch.tensor([0, 1, 3, 4]), 3).tolist()
    (3, [0, 1, 1, 2])
    """
    # No number is ever negative: ONNX rounds quotients towards zero.
    return (num_frames + window_stride - 1) // window_stride


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
    """Correlate every window of a signal with a Mellin kernel.

    Args:
        signal: (N, C, T), or (C, T) without a batch; floating-point or complex.
        kernel: (O, C, K), of the signal's dtype and device.
        bias: (O,), added to every output.
        window_size: frames in a window; a window that runs past the end of the signal meets zeros there.
        window_stride: frames from the start of a window to the start of the next.
        kernel_offset: d of `mellin_correlate_1d`.
        output_length: output frames of a window, L.

    Returns:
        (N, O, L, A), or without N, with A = `num_windows(T, window_stride)`: the output of `mellin_correlate_1d` for
        each window.

    Raises:
        ValueError: shapes, dtypes or devices do not fit.

    >>> signal = torch.arange(1.0, 7.0).view(1, 1, 6)
    >>> correlate_windows(signal, torch.tensor([[[1.0, 10.0]]]), window_size=4, window_stride=2, output_length=2)
    tensor([[[[21., 43., 65.],
              [42., 64.,  6.]]]])
    """
    check_tensors(signal, kernel, bias, ("C", "T"), ("O", "C", "K"))
    if signal.dim() == 2:
        return correlate_windows(
            signal.unsqueeze(0),
            kernel,
            bias,
            window_size=window_size,
            window_stride=window_stride,
            kernel_offset=kernel_offset,
            output_length=output_length,
        ).squeeze(0)
    if signal.device.type not in ("cpu", "meta") and not signal.is_complex() and not is_traced(signal):
        return _correlate_by_gather(signal, kernel, bias, window_size, window_stride, kernel_offset, output_length)
    table = mellin_tap_table(window_size, kernel.size(2), kernel_offset=kernel_offset, output_length=output_length)
    taps = [(output, tap.kernel_row, tap.frame) for output, taken in enumerate(table.outputs) for tap in taken]
    windows = num_windows(signal.size(2), window_stride)
    rows = kernel.permute(1, 2, 0).flatten(1)  # (C, K O)
    products = (signal.transpose(1, 2) @ rows).unflatten(2, (kernel.size(2), -1))  # (N, T, K, O)
    how = (taps, windows, window_stride, output_length)
    summed: torch.Tensor = _SumTaps.apply(products, *how)  # type: ignore[no-untyped-call]
    if bias is not None:
        summed = summed + bias.to(summed.dtype)
    return summed.permute(0, 3, 2, 1)


def _correlate_by_gather(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    window_size: int,
    window_stride: int,
    kernel_offset: int,
    output_length: int,
) -> torch.Tensor:
    num_rows, windows = kernel.size(2), num_windows(signal.size(2), window_stride)
    rows = kernel.permute(2, 0, 1).flatten(0, 1).unsqueeze(2)  # (K O, C, 1)
    # Zeros on either side: a window reads those past the end, and the very first for a row without a tap.
    products = torch.nn.functional.conv1d(signal, rows, padding=window_size)
    products = products.transpose(1, 2).contiguous().unflatten(2, (num_rows, -1)).flatten(1, 2)  # (N, frames K, O)
    most = 1 << (max(windows, 1) - 1).bit_length()  # so that signals of many lengths share a few index tensors
    places = _places(window_size, window_stride, num_rows, kernel_offset, output_length, most, signal.device)
    gathered = products.index_select(1, places[: windows * output_length * num_rows])
    summed: torch.Tensor = gathered.unflatten(1, (windows, output_length, num_rows)).sum(3)  # (N, A, L, O)
    if bias is not None:
        summed = summed + bias.to(summed.dtype)
    return summed.permute(0, 3, 2, 1)


@cached_by_shape
def _places(
    window_size: int,
    window_stride: int,
    kernel_length: int,
    kernel_offset: int,
    output_length: int,
    windows: int,
    device: torch.device,
) -> torch.Tensor:
    """Places (A L K), flat, of the products that the outputs of each window add up, among frames x kernel rows."""
    table = mellin_tap_table(window_size, kernel_length, kernel_offset=kernel_offset, output_length=output_length)
    with torch.inference_mode(False):  # tensors made during inference must serve training, too
        frames = torch.full((output_length, kernel_length), -1)
        for output, taps in enumerate(table.outputs):
            for tap in taps:
                frames[output, tap.kernel_row] = window_size + tap.frame
        first = window_stride * torch.arange(windows).view(-1, 1, 1)
        places = (first + frames) * kernel_length + torch.arange(kernel_length)
        return places.masked_fill(frames < 0, 0).flatten().to(device)


class _SumTaps(torch.autograd.Function):
    """Sum the products of each output, (N, T, K, O) -> (N, A, L, O); its backward is its transpose, as it is linear."""

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
        return _SpreadTaps.apply(grad_output, ctx.how, ctx.shape), None, None, None, None  # type: ignore[no-untyped-call]


class _SpreadTaps(torch.autograd.Function):
    """Transpose of `_SumTaps`: spread gradients of outputs over the products that they sum."""

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
        return _SumTaps.apply(grad_grad, *ctx.how), None, None  # type: ignore[no-untyped-call]
