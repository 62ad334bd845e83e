"""Correlation of a piece of the batch by kernels of one coefficient, signals left in the order in which they lie.

What a group of kernel frames reads lies in rows of M frames, (n, slices x C, M F), or is gathered so; a matrix product
for each signal gives what the group adds to its output frames. Nothing is transposed, which would take longer than the
products where channels are few.
"""

from __future__ import annotations

import torch

from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.ops.channel_order import contiguous, empty_as
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import Slice, SliceGroup, slice_groups

__all__ = ["correlate", "gradients"]


def correlate(
    signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry
) -> torch.Tensor:
    """Signal (N, C, T, F), kernel (O, C, K, 1), bias (O,) or none -> (N, O, T', F)."""
    walk = _Walk(signal, kernel, geometry)
    weights = [walk.weight(kernel, group) for group in walk.groups]
    out = empty_as(signal, (len(signal), len(kernel), geometry.output_length, geometry.output_width))
    for piece, target in zip(signal.split(walk.lengths), out.split(walk.lengths), strict=True):
        rows, total = walk.contiguous(piece), walk.total(target)
        begun = False  # whether every output has a value
        for group, weight in zip(walk.groups, weights, strict=True):
            read, each = walk.read(rows, group), weight.expand(len(piece), -1, -1)
            if not begun and group.number == geometry.output_length:
                torch.bmm(each, read, out=total.flatten(2))
            else:
                part = torch.bmm(each, read, out=walk.buffer(rows, "part", len(kernel), group))
                (total if begun else total.zero_())[:, :, _frames(group)] += _framed(part, group)
            begun = True
        if not begun:
            total.zero_()
        if bias is not None:
            total += bias.view(-1, 1, 1)
        if total is not target:
            target.copy_(total)
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
    kernel_sum = torch.zeros_like(kernel, dtype=walk.dtype) if needed[1] else None
    bias_sum = kernel.new_zeros(len(kernel), dtype=walk.dtype) if needed[2] else None
    signal_gradient = torch.empty_like(signal) if needed[0] else None
    weights = [walk.weight(kernel, group).t() for group in walk.groups]
    begin = 0
    for piece, given in zip(signal.split(walk.lengths), gradient.split(walk.lengths), strict=True):
        above = walk.contiguous(given)
        if bias_sum is not None:
            bias_sum += above.sum((0, 2, 3))
        parts = [walk.given(above, group) for group in walk.groups] if needed[0] or needed[1] else []
        if kernel_sum is not None:
            rows = walk.contiguous(piece)
            for group, part in zip(walk.groups, parts, strict=True):
                of_weight = torch.bmm(part, walk.read(rows, group).transpose(1, 2))
                walk.add_to_kernel(kernel_sum, of_weight.sum(0), group)
        if signal_gradient is not None:
            _pull_back(parts, signal_gradient[begin : begin + len(piece)], weights, walk)
        begin += len(piece)
    return (
        signal_gradient,
        None if kernel_sum is None else kernel_sum.to(kernel.dtype),
        None if bias_sum is None else bias_sum.to(kernel.dtype),
    )


def _pull_back(parts: list[torch.Tensor], target: torch.Tensor, weights: list[torch.Tensor], walk: _Walk) -> None:
    """Write the gradient of a piece of the signal, (n, C, T, F), from those of the groups' outputs."""
    total = walk.total(target)
    begun = False
    for group, part, weight in zip(walk.groups, parts, weights, strict=True):
        each = weight.expand(len(part), -1, -1)
        if not begun and len(group.slices) == 1 and group.number == total.size(2):
            torch.bmm(each, part, out=total.flatten(2))
        else:
            total = total if begun else total.zero_()
            pulled = torch.bmm(each, part, out=walk.buffer(part, "pulled", len(weight), group))
            below = _framed(pulled, group).unflatten(1, (len(group.slices), -1))
            for place, taps in enumerate(group.slices):
                total[:, :, _frames(taps)] += below[:, place, :, : taps.number]
        begun = True
    if not begun:
        total.zero_()
    if total is not target:
        target.copy_(total)


class _Walk:
    """What forward and backward share: groups, pieces, and buffers that are kept from piece to piece."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        self.groups = slice_groups(*geometry.along_time, joined=True)
        self.dtype = torch.promote_types(signal.dtype, torch.float32)
        self.coefficients = geometry.output_width
        inside = signal.size(1) * geometry.signal_length * signal.size(3)
        outside = len(kernel) * geometry.output_length * self.coefficients
        self.lengths = piece_lengths(len(signal), max(inside, outside))
        self.buffers: dict[tuple[str, SliceGroup], torch.Tensor] = {}

    def weight(self, kernel: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """A group's kernel frames side by side, (O, slices x C)."""
        return torch.cat([kernel[:, :, taps.kernel_frame, 0].to(self.dtype) for taps in group.slices], 1)

    def add_to_kernel(self, total: torch.Tensor, of_weight: torch.Tensor, group: SliceGroup) -> None:
        for taps, part in zip(group.slices, of_weight.chunk(len(group.slices), 1), strict=True):
            total[:, :, taps.kernel_frame, 0] += part

    def read(self, rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """What a group reads, (n, slices x C, M F)."""
        if len(group.slices) == 1 and group.slices[0].step == 1:
            return rows[:, :, _frames(group.slices[0])].flatten(2)
        buffer = self.buffer(rows, "read", len(group.slices) * rows.size(1), group)
        parts = _framed(buffer, group).unflatten(1, (len(group.slices), -1))
        for place, taps in enumerate(group.slices):
            parts[:, place, :, : taps.number] = rows[:, :, _frames(taps)]
        return buffer

    def given(self, above: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """The outputs of a group, (n, O, M F)."""
        if group.step == 1:
            return above[:, :, _frames(group)].flatten(2)
        buffer = self.buffer(above, "given", above.size(1), group)
        _framed(buffer, group).copy_(above[:, :, _frames(group)])
        return buffer

    def contiguous(self, piece: torch.Tensor) -> torch.Tensor:
        return contiguous(piece).to(self.dtype)

    def total(self, target: torch.Tensor) -> torch.Tensor:
        """Where a piece is added up: the memory that it is for, if that is possible."""
        if target.is_contiguous() and target.dtype == self.dtype:
            return target
        return torch.empty(target.shape, dtype=self.dtype, device=target.device)

    def buffer(self, rows: torch.Tensor, name: str, channels: int, group: SliceGroup) -> torch.Tensor:
        """(n, channels, M F); zeros where nothing is written, in any piece. The first piece is the longest."""
        key = (name, group)
        if key not in self.buffers:
            self.buffers[key] = rows.new_zeros(self.lengths[0], channels, group.number * self.coefficients)
        return self.buffers[key][: len(rows)]


def _frames(taps: Slice | SliceGroup) -> slice:
    """Input frames of a slice, or output frames of a group."""
    return slice(taps.first, taps.first + taps.step * (taps.number - 1) + 1, taps.step)


def _framed(rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
    """(n, ..., M F) -> (n, ..., M, F)."""
    return rows.unflatten(2, (group.number, -1))
