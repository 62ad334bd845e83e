"""Correlation of a piece of the batch by strided slices of frames, one for each kernel frame, channels last.

Rows of a piece are (N, T, F, C). What a kernel frame reads, (N, M, F, C), gives (N, M, F', O) by one convolution along
frequency, which is added to its output frames.
"""

from __future__ import annotations

import torch

from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.ops.channel_order import channels_first, channels_last, empty_as, is_channels_last
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import SliceGroup, slice_groups

__all__ = ["correlate", "gradients"]


def correlate(
    signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry
) -> torch.Tensor:
    """Signal (N, C, T, F), kernel (O, C, K, W), bias (O,) or none -> (N, O, T', F')."""
    walk = _Walk(signal, kernel, geometry)
    weights = walk.weights(kernel)
    out = empty_as(signal, (len(signal), len(kernel), geometry.output_length, geometry.output_width))
    lengths = walk.piece_lengths(len(signal))
    for piece, target in zip(signal.split(lengths), out.split(lengths), strict=True):
        _give(_correlate_piece(piece, bias, walk, weights).to(signal.dtype), target)
    return out


def gradients(
    gradient: torch.Tensor,
    signal: torch.Tensor,
    kernel: torch.Tensor,
    geometry: Geometry,
    needed: tuple[bool, ...],
) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
    """Gradients of signal, kernel and bias, of those that are needed, from that of the output."""
    walk = _Walk(signal, kernel, geometry)
    weights = walk.weights(kernel)
    sum_type = torch.promote_types(signal.dtype, torch.float32)
    kernel_sum = torch.zeros_like(kernel, dtype=sum_type) if needed[1] else None
    bias_sum = kernel.new_zeros(len(kernel), dtype=sum_type) if needed[2] else None
    signal_gradient = torch.empty_like(signal) if needed[0] else None
    lengths = walk.piece_lengths(len(signal))
    begin = 0
    for piece, given in zip(signal.split(lengths), gradient.split(lengths), strict=True):
        below = _pull_back_piece(given, piece, needed[0], kernel_sum, bias_sum, walk, weights)
        if signal_gradient is not None and below is not None:
            _give(below.to(signal.dtype), signal_gradient[begin : begin + len(piece)])
        del below
        begin += len(piece)
    return (
        signal_gradient,
        None if kernel_sum is None else kernel_sum.to(kernel.dtype),
        None if bias_sum is None else bias_sum.to(kernel.dtype),
    )


# A piece is a function of its own, and parts are deleted as soon as they are added: what the next one needs is then
# found where the last one was, in the caches, and no memory goes back to the system in between.


def _correlate_piece(
    piece: torch.Tensor, bias: torch.Tensor | None, walk: _Walk, weights: list[torch.Tensor]
) -> torch.Tensor:
    """The outputs of a piece of the signal, (N, T', F', O)."""
    sum_type = torch.promote_types(piece.dtype, torch.float32)
    rows = walk.padded(channels_last(piece))
    total: torch.Tensor | None = None
    for group, weight in zip(walk.groups, weights, strict=True):
        whole = total is None and group.number == walk.geometry.output_length
        part = walk.convolve(walk.gathered(rows, group), weight, bias if whole else None, group)
        if whole:
            total = part.to(sum_type)
        else:
            total = walk.start(rows, bias, sum_type) if total is None else total
            walk.frames_of(total, group).add_(part)
        del part
    return walk.start(rows, bias, sum_type) if total is None else total


def _pull_back_piece(
    given: torch.Tensor,
    piece: torch.Tensor,
    signal_needed: bool,
    kernel_sum: torch.Tensor | None,
    bias_sum: torch.Tensor | None,
    walk: _Walk,
    weights: list[torch.Tensor],
) -> torch.Tensor | None:
    """The gradient of a piece of the signal, (N, T, F, C); those of kernel and bias are added to their sums."""
    sum_type = torch.promote_types(piece.dtype, torch.float32)
    above = channels_last(given)
    if bias_sum is not None:
        bias_sum += above.flatten(0, 2).sum(0, dtype=sum_type)
    if not signal_needed and kernel_sum is None:
        return None
    rows = walk.padded(channels_last(piece))
    total: torch.Tensor | None = None
    needed = (signal_needed, kernel_sum is not None)
    for group, weight in zip(walk.groups, weights, strict=True):
        (taps,) = group.slices
        part, of_weight = walk.pull_back(walk.frames_of(above, group), walk.gathered(rows, group), weight, needed)
        if kernel_sum is not None and of_weight is not None:
            kernel_sum[:, :, taps.kernel_frame] += of_weight.squeeze(2)
        if part is None:
            continue
        if total is None and taps.number == walk.geometry.signal_length:
            total = part.to(sum_type)
        else:
            total = torch.zeros_like(rows, dtype=sum_type) if total is None else total
            _strided(total, taps.first, taps.step, taps.number).add_(part)
        del part
    if not signal_needed:
        return None
    return walk.unpadded(torch.zeros_like(rows) if total is None else total)


class _Walk:
    """What forward and backward share: sizes, groups, buffers, and the convolution along frequency."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        self.geometry = geometry
        self.signal, self.kernel = signal.shape, kernel.shape
        left, right = geometry.padding
        self.inner = min(left, right)  # the convolution pads both sides alike; a buffer holds what is left
        self.left, self.right = left - self.inner, right - self.inner
        self.groups = slice_groups(*geometry.along_time, joined=False)
        self.convolution = ([1, geometry.stride], [0, self.inner], [1, geometry.dilation])
        self.buffers: dict[int, torch.Tensor] = {}  # zeros left and right, by the number of signals

    def piece_lengths(self, number: int) -> list[int]:
        inside = self.signal[2] * self.signal[3] * self.signal[1]
        outside = self.geometry.output_length * self.geometry.output_width * self.kernel[0]
        return piece_lengths(number, max(inside, outside))

    def weights(self, kernel: torch.Tensor) -> list[torch.Tensor]:
        """A group's kernel frame, (O, C, 1, W), channels last."""
        frames = [kernel[:, :, group.slices[0].kernel_frame].unsqueeze(2) for group in self.groups]
        return [frame.contiguous(memory_format=torch.channels_last) for frame in frames]

    def start(self, rows: torch.Tensor, bias: torch.Tensor | None, sum_type: torch.dtype) -> torch.Tensor:
        """The bias, or zeros, for every output, (N, T', F', O)."""
        values = rows.new_zeros(self.kernel[0], dtype=sum_type) if bias is None else bias.to(sum_type)
        shape = (len(rows), self.geometry.output_length, self.geometry.output_width, self.kernel[0])
        return values.expand(shape).contiguous()

    def padded(self, rows: torch.Tensor) -> torch.Tensor:
        if not self.left and not self.right:
            return rows
        number, frames, coefficients, channels = rows.shape
        if number not in self.buffers:
            self.buffers[number] = rows.new_zeros(number, frames, coefficients + self.left + self.right, channels)
        self.unpadded(self.buffers[number]).copy_(rows)
        return self.buffers[number]

    def unpadded(self, rows: torch.Tensor) -> torch.Tensor:
        if not self.left and not self.right:
            return rows
        return rows[:, :, self.left : rows.size(2) - self.right]

    def gathered(self, rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """What a group reads, (N, M, F, C)."""
        (taps,) = group.slices
        return _strided(rows, taps.first, taps.step, taps.number).contiguous()

    def frames_of(self, rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """The output frames of a group, (N, M, F', O), a view."""
        return _strided(rows, group.first, group.step, group.number)

    def convolve(
        self, read: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, group: SliceGroup
    ) -> torch.Tensor:
        stride, padding, dilation = self.convolution
        out = torch.nn.functional.conv2d(_image(read), weight, bias, stride, padding, dilation)
        return out.permute(0, 2, 3, 1).reshape(len(read), group.number, self.geometry.output_width, len(weight))

    def pull_back(
        self, above: torch.Tensor, read: torch.Tensor, weight: torch.Tensor, needed: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Gradients of what a group read, (N, M, F, C), and of its weight, those that are needed."""
        stride, padding, dilation = self.convolution
        below, of_weight, _ = torch.ops.aten.convolution_backward(
            _image(above.contiguous()),
            _image(read),
            weight,
            None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            1,
            [*needed, False],
        )
        return below.permute(0, 2, 3, 1).reshape(read.shape) if needed[0] else None, of_weight


def _image(rows: torch.Tensor) -> torch.Tensor:
    """Rows (N, M, F, C) as a channels-last image of height 1, (N M, C, 1, F)."""
    number, frames, coefficients, channels = rows.shape
    return rows.view(number * frames, 1, coefficients, channels).permute(0, 3, 1, 2)


def _strided(rows: torch.Tensor, first: int, step: int, number: int) -> torch.Tensor:
    return rows[:, first : first + step * (number - 1) + 1 : step]


def _give(rows: torch.Tensor, target: torch.Tensor) -> None:
    """Write (N, T, F, C) to (N, C, T, F), in whatever order that lies in memory."""
    if is_channels_last(target):
        target.permute(0, 2, 3, 1).copy_(rows)
    else:
        target.copy_(channels_first(rows.contiguous()))
