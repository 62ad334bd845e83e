"""Reference Mellin correlation: loops over its definition, slow and obviously right."""

from __future__ import annotations

import torch

from cnn_mellin.ops.lengths import mellin_valid_length

__all__ = ["reference_correlate_1d", "reference_correlate_2d"]


def reference_correlate_1d(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: int = 1,
    kernel_offset: int = 1,
    input_dilation: int = 1,
    output_length: int | None = None,
) -> torch.Tensor:
    """Reference for `mellin_correlate_1d`, tap by tap.

    >>> reference_correlate_1d(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[1.0, 10.0]]]), output_length=3)
    tensor([[[21.,  2.,  3.]]])
    """
    return reference_correlate_2d(
        signal.unsqueeze(3),
        kernel.unsqueeze(3),
        bias,
        output_offset=output_offset,
        kernel_offset=kernel_offset,
        input_dilation=input_dilation,
        output_length=output_length,
    ).squeeze(3)


def reference_correlate_2d(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: int = 1,
    kernel_offset: int = 1,
    input_dilation: int = 1,
    output_length: int | None = None,
    stride: int = 1,
    dilation: int = 1,
    padding: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """Reference for `mellin_linear_correlate_2d`, tap by tap.

    >>> signal = torch.arange(1.0, 7.0).view(1, 1, 3, 2)
    >>> reference_correlate_2d(signal, torch.ones(1, 1, 1, 2)).tolist()
    [[[[3.0], [7.0], [11.0]]]]
    """
    offsets = {"output_offset": output_offset, "kernel_offset": kernel_offset, "input_dilation": input_dilation}
    num_signals, _, num_frames, num_freqs = signal.shape
    num_outputs, _, kernel_time, kernel_freq = kernel.shape
    if output_length is None:
        output_length = mellin_valid_length(num_frames, kernel_time, **offsets)
    output_freqs = max((num_freqs + sum(padding) - dilation * (kernel_freq - 1) - 1) // stride + 1, 0)
    columns = []
    for t in range(output_length):
        for f in range(output_freqs):
            value = signal.new_zeros(num_signals, num_outputs)
            if bias is not None:
                value = value + bias
            for k in range(kernel_time):
                product = (t + output_offset) * (k + kernel_offset)
                frame = product // input_dilation - 1
                if product % input_dilation or not 0 <= frame < num_frames:
                    continue
                for w in range(kernel_freq):
                    freq = stride * f + dilation * w - padding[0]
                    if 0 <= freq < num_freqs:
                        value = value + signal[:, :, frame, freq] @ kernel[:, :, k, w].T
            columns.append(value)
    if not columns:
        return signal.new_zeros(num_signals, num_outputs, output_length, output_freqs)
    return torch.stack(columns, dim=2).view(num_signals, num_outputs, output_length, output_freqs)
