"""Correlation of a piece of the batch by one matrix product an output frame, for signals of a single channel.

The positions of the kernel along frequency are laid side by side: columns (T, C W, N F'). An output frame is the
kernel frames that it has, (O, taps C W), times the columns of the input frames that they read.
"""

from __future__ import annotations

import torch

from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import FrameTaps, frame_taps

__all__ = ["correlate", "gradients"]


def correlate(
    signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry
) -> torch.Tensor:
    """Signal (N, C, T, F), kernel (O, C, K, W), bias (O,) or none -> (N, O, T', F')."""
    columns = _Columns(signal, kernel, geometry)
    frames = frame_taps(*geometry.along_time)
    weights = [_weight(kernel, taps) for taps in frames]
    out = signal.new_empty(len(signal), len(kernel), geometry.output_length, geometry.output_width)
    start = (signal.new_zeros(len(kernel)) if bias is None else bias).view(-1, 1)
    result = signal.new_empty(0, 0, 0)
    lengths = columns.piece_lengths(len(signal))
    for piece, target in zip(signal.split(lengths), out.split(lengths), strict=True):
        columns.fill(piece)
        if result.size(2) != len(piece) * geometry.output_width:
            result = signal.new_empty(geometry.output_length, len(kernel), len(piece) * geometry.output_width)
        for taps, weight, row in zip(frames, weights, result, strict=True):
            if weight is None:
                row.copy_(start.expand_as(row))
            elif bias is None:
                torch.mm(weight, columns.read(taps), out=row)
            else:
                torch.addmm(start, weight, columns.read(taps), out=row)
        target.copy_(result.unflatten(2, (len(piece), geometry.output_width)).permute(2, 1, 0, 3))
    return out


def gradients(
    gradient: torch.Tensor,
    signal: torch.Tensor,
    kernel: torch.Tensor,
    geometry: Geometry,
    needed: tuple[bool, ...],
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Gradients of signal, kernel and bias, of those that are needed, from that of the output."""
    columns = _Columns(signal, kernel, geometry)
    frames = frame_taps(*geometry.along_time)
    weights = [_weight(kernel, taps) for taps in frames]
    sum_type = torch.promote_types(signal.dtype, torch.float32)
    weight_sums = [None if weight is None else torch.zeros_like(weight, dtype=sum_type) for weight in weights]
    bias_sum = kernel.new_zeros(len(kernel), dtype=sum_type)
    signal_gradient = torch.empty_like(signal) if needed[0] else None
    lengths = columns.piece_lengths(len(signal))
    begin = 0
    for piece, given in zip(signal.split(lengths), gradient.split(lengths), strict=True):
        above = given.permute(2, 1, 0, 3).flatten(2)  # (T', O, N F')
        if needed[2]:
            bias_sum += above.sum((0, 2), dtype=sum_type)
        if needed[1]:
            columns.fill(piece)
        below = columns.zeros(piece, sum_type) if needed[0] else None
        for taps, weight, weight_sum, row in zip(frames, weights, weight_sums, above, strict=True):
            if weight is None or weight_sum is None:
                continue
            if needed[1]:
                weight_sum += torch.mm(row, columns.read(taps).t())
            if below is not None:
                parts = torch.mm(weight.t(), row).view(len(taps.input_frames), -1, row.size(1))
                for input_frame, part in zip(taps.input_frames, parts, strict=True):
                    below[input_frame] += part
        if signal_gradient is not None and below is not None:
            signal_gradient[begin : begin + len(piece)] = columns.folded(below, len(piece))
        begin += len(piece)
    return (
        signal_gradient,
        _kernel_gradient(kernel, frames, weight_sums) if needed[1] else None,
        bias_sum.to(kernel.dtype) if needed[2] else None,
    )


class _Columns:
    """The columns of a piece, and the way back; buffers are kept from piece to piece."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        self.geometry = geometry
        self.signal, self.kernel = signal.shape, kernel.shape
        self.width = signal.size(3) + sum(geometry.padding)
        self.padded = self.columns = signal.new_zeros(0, 0, 0)

    def piece_lengths(self, number: int) -> list[int]:
        inside = self.signal[2] * self.signal[1] * self.kernel[3]
        outside = self.geometry.output_length * self.kernel[0]
        return piece_lengths(number, max(inside, outside) * self.geometry.output_width)

    def fill(self, piece: torch.Tensor) -> None:
        number, channels, frames, coefficients = piece.shape
        if self.padded.size(2) != number:
            self.padded = piece.new_zeros(frames, channels, number, self.width)
            columns = number * self.geometry.output_width
            self.columns = piece.new_empty(frames, channels * self.kernel[3], columns)
        left = self.geometry.padding[0]
        self.padded[:, :, :, left : left + coefficients] = piece.permute(2, 1, 0, 3)
        shape = (frames, channels, self.kernel[3], number, self.geometry.output_width)
        strides = (channels * number * self.width, number * self.width, self.geometry.dilation, self.width)
        shifted = self.padded.as_strided(shape, (*strides, self.geometry.stride))
        self.columns.view(shape).copy_(shifted)

    def read(self, taps: FrameTaps) -> torch.Tensor:
        """Columns of the input frames that an output frame reads, (taps C W, N F')."""
        if len(taps.input_frames) == 1:
            return self.columns[taps.input_frames[0]]
        return torch.cat([self.columns[input_frame] for input_frame in taps.input_frames])

    def zeros(self, piece: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        shape = (self.signal[2], self.signal[1] * self.kernel[3], len(piece) * self.geometry.output_width)
        return piece.new_zeros(shape, dtype=dtype)

    def folded(self, columns: torch.Tensor, number: int) -> torch.Tensor:
        """Each column added to the coefficient that it came from, (N, C, T, F)."""
        _, channels, frames, coefficients = self.signal
        width, stride = self.geometry.output_width, self.geometry.stride
        parts = columns.view(frames, channels, self.kernel[3], number, width)
        total = columns.new_zeros(frames, channels, number, self.width)
        for position in range(self.kernel[3]):
            first = position * self.geometry.dilation
            total[:, :, :, first : first + stride * (width - 1) + 1 : stride] += parts[:, :, position]
        left = self.geometry.padding[0]
        return total[:, :, :, left : left + coefficients].permute(2, 1, 0, 3)


def _weight(kernel: torch.Tensor, taps: FrameTaps) -> torch.Tensor | None:
    """The kernel frames of an output frame side by side, (O, taps C W)."""
    if not taps.kernel_frames:
        return None
    return torch.cat([kernel[:, :, kernel_frame].flatten(1) for kernel_frame in taps.kernel_frames], 1)


def _kernel_gradient(
    kernel: torch.Tensor, frames: tuple[FrameTaps, ...], weight_sums: list[torch.Tensor | None]
) -> torch.Tensor:
    total = torch.zeros_like(kernel, dtype=torch.promote_types(kernel.dtype, torch.float32))
    outputs, channels, _, width = kernel.shape
    for taps, weight_sum in zip(frames, weight_sums, strict=True):
        if weight_sum is not None:
            parts = weight_sum.view(outputs, len(taps.kernel_frames), channels, width)
            for place, kernel_frame in enumerate(taps.kernel_frames):
                total[:, :, kernel_frame] += parts[:, place]
    return total.to(kernel.dtype)
