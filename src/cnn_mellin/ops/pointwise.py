"""Pointwise formulation: kernels of one coefficient, as matrix products of frames in their memory order.

The frames that a group of kernel frames reads are gathered into rows of M frames, (n, slices x C, M F), or already lie
so. One matrix product per signal gives what the group adds to its output frames. Nothing is transposed, which would
take longer than the products where there are few channels.
"""

from __future__ import annotations

from functools import cached_property

import torch

from cnn_mellin.ops.channel_order import contiguous
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import Slice, SliceGroup, slice_groups
from cnn_mellin.ops.piecewise_formulation import PiecewiseFormulation

__all__ = ["PointwiseFormulation"]


class PointwiseFormulation(PiecewiseFormulation[torch.Tensor]):
    """Matrix products for kernels of one coefficient, stride 1, without padding."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        super().__init__(signal, kernel, geometry)
        self.groups = slice_groups(*geometry.along_time, joined=True)
        self.buffers: dict[tuple[str, SliceGroup], torch.Tensor] = {}

    def correlate_piece(self, piece: torch.Tensor, bias: torch.Tensor | None, target: torch.Tensor) -> None:
        """Add up the products of all groups."""
        rows, total = self._contiguous(piece), self._total(target)
        has_values = False  # every output has been written
        for group, weight in zip(self.groups, self.weights, strict=True):
            read, batched_weight = self._read(rows, group), weight.expand(len(piece), -1, -1)
            if not has_values and group.number == self.geometry.output_length:
                torch.bmm(batched_weight, read, out=total.flatten(2))
            else:
                product = torch.bmm(batched_weight, read, out=self._buffer(rows, "product", len(weight), group))
                (total if has_values else total.zero_())[:, :, _frames(group)] += _framed(product, group)
            has_values = True
        if not has_values:
            total.zero_()
        if bias is not None:
            total += bias.view(-1, 1, 1)
        if total is not target:
            target.copy_(total)

    def add_gradients(
        self,
        grad_output: torch.Tensor,
        piece: torch.Tensor,
        grad_input: torch.Tensor | None,
        kernel_sums: torch.Tensor | None,
        bias_sum: torch.Tensor | None,
    ) -> None:
        """Two matrix products per group: one for the kernel, one for the signal."""
        grad_rows = self._contiguous(grad_output)
        if bias_sum is not None:
            bias_sum += grad_rows.sum((0, 2, 3))
        if grad_input is None and kernel_sums is None:
            return
        group_grads = [self._grad_of_group(grad_rows, group) for group in self.groups]
        if kernel_sums is not None:
            rows = self._contiguous(piece)
            for group, group_grad in zip(self.groups, group_grads, strict=True):
                grad_weight = torch.bmm(group_grad, self._read(rows, group).transpose(1, 2)).sum(0)
                for taps, grad_frame in zip(group.slices, grad_weight.chunk(len(group.slices), 1), strict=True):
                    kernel_sums[:, :, taps.kernel_frame, 0] += grad_frame
        if grad_input is not None:
            self._write_grad_input(group_grads, grad_input)

    def new_kernel_sums(self) -> torch.Tensor:
        """(O, C, K, 1)."""
        return torch.zeros_like(self.kernel, dtype=self.sum_dtype)

    def grad_kernel(self, kernel_sums: torch.Tensor) -> torch.Tensor:
        """The sums themselves."""
        return kernel_sums

    @cached_property
    def weights(self) -> list[torch.Tensor]:
        """Kernel frames of each group side by side, (O, slices x C)."""
        frames = [
            [self.kernel[:, :, taps.kernel_frame, 0].to(self.sum_dtype) for taps in group.slices]
            for group in self.groups
        ]
        return [torch.cat(group_frames, 1) for group_frames in frames]

    def _write_grad_input(self, group_grads: list[torch.Tensor], grad_input: torch.Tensor) -> None:
        total = self._total(grad_input)
        has_values = False
        for group, group_grad, weight in zip(self.groups, group_grads, self.weights, strict=True):
            transposed_weight = weight.t().expand(len(group_grad), -1, -1)
            if not has_values and len(group.slices) == 1 and group.number == total.size(2):
                torch.bmm(transposed_weight, group_grad, out=total.flatten(2))
            else:
                total = total if has_values else total.zero_()
                buffer = self._buffer(group_grad, "grad_read", weight.size(1), group)
                grad_read = torch.bmm(transposed_weight, group_grad, out=buffer)
                grad_slices = _framed(grad_read, group).unflatten(1, (len(group.slices), -1))
                for place, taps in enumerate(group.slices):
                    total[:, :, _frames(taps)] += grad_slices[:, place, :, : taps.number]
            has_values = True
        if not has_values:
            total.zero_()
        if total is not grad_input:
            grad_input.copy_(total)

    def _read(self, rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """Input frames that a group reads, (n, slices x C, M F)."""
        if len(group.slices) == 1 and group.slices[0].step == 1:
            return rows[:, :, _frames(group.slices[0])].flatten(2)
        buffer = self._buffer(rows, "read", len(group.slices) * rows.size(1), group)
        slices = _framed(buffer, group).unflatten(1, (len(group.slices), -1))
        for place, taps in enumerate(group.slices):
            slices[:, place, :, : taps.number] = rows[:, :, _frames(taps)]
        return buffer

    def _grad_of_group(self, grad_rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
        """Gradients of the output frames of a group, (n, O, M F)."""
        if group.step == 1:
            return grad_rows[:, :, _frames(group)].flatten(2)
        buffer = self._buffer(grad_rows, "grad_output", grad_rows.size(1), group)
        _framed(buffer, group).copy_(grad_rows[:, :, _frames(group)])
        return buffer

    def _contiguous(self, piece: torch.Tensor) -> torch.Tensor:
        return contiguous(piece).to(self.sum_dtype)

    def _total(self, target: torch.Tensor) -> torch.Tensor:
        """Memory in which a piece is summed: its target if order and dtype allow it."""
        if target.is_contiguous() and target.dtype == self.sum_dtype:
            return target
        return torch.empty(target.shape, dtype=self.sum_dtype, device=target.device)

    def _buffer(self, rows: torch.Tensor, name: str, channels: int, group: SliceGroup) -> torch.Tensor:
        """(n, channels, M F), zero wherever no piece writes; allocated for the first piece, the longest."""
        key = (name, group)
        if key not in self.buffers:
            size = group.number * self.geometry.output_width
            self.buffers[key] = rows.new_zeros(self.piece_lengths[0], channels, size)
        return self.buffers[key][: len(rows)]


def _frames(taps: Slice | SliceGroup) -> slice:
    """Input frames of a slice, or output frames of a group."""
    return slice(taps.first, taps.first + taps.step * (taps.number - 1) + 1, taps.step)


def _framed(rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
    """(n, channels, M F) -> (n, channels, M, F)."""
    split: torch.Tensor = rows.unflatten(2, (group.number, -1))
    return split
