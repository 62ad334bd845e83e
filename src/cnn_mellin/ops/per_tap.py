"""Per-tap formulation: one convolution along frequency per kernel frame, over a strided slice of frames, channels last.

Rows of a piece are (n, T, F, C). The M input frames that one kernel frame reads, (n, M, F, C), give (n, M, F', O) by
one convolution, which is added to the output frames of that kernel frame.
"""

from __future__ import annotations

from functools import cached_property

import torch

from cnn_mellin.ops.channel_order import channels_first, channels_last, is_channels_last
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import SliceGroup, slice_groups
from cnn_mellin.ops.piecewise_formulation import PiecewiseFormulation

__all__ = ["PerTapFormulation"]


class PerTapFormulation(PiecewiseFormulation[torch.Tensor]):
    """One convolution along frequency per kernel frame.

    Every product of a convolution is deleted as soon as it is added: the next one then finds its memory where the last
    one was, in the caches, and no memory goes back to the system in between.
    """

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        super().__init__(signal, kernel, geometry)
        left, right = geometry.padding
        self.inner = min(left, right)  # the convolution pads both sides alike; a buffer holds the rest
        self.left, self.right = left - self.inner, right - self.inner
        self.groups = slice_groups(*geometry.along_time, joined=False)
        self.convolution = ([1, geometry.stride], [0, self.inner], [1, geometry.dilation])
        self.buffers: dict[int, torch.Tensor] = {}  # zeros left and right, by the number of signals

    def correlate_piece(self, piece: torch.Tensor, bias: torch.Tensor | None, target: torch.Tensor) -> None:
        """Add up the convolutions of all kernel frames."""
        _write(self._correlated(piece, bias).to(piece.dtype), target)

    def add_gradients(
        self,
        grad_output: torch.Tensor,
        piece: torch.Tensor,
        grad_input: torch.Tensor | None,
        kernel_sums: torch.Tensor | None,
        bias_sum: torch.Tensor | None,
    ) -> None:
        """Add up the gradients of all convolutions."""
        grad_piece = self._grad_piece(grad_output, piece, grad_input is not None, kernel_sums, bias_sum)
        if grad_input is not None and grad_piece is not None:
            _write(grad_piece.to(piece.dtype), grad_input)

    def new_kernel_sums(self) -> torch.Tensor:
        """(O, C, K, W)."""
        return torch.zeros_like(self.kernel, dtype=self.sum_dtype)

    def grad_kernel(self, kernel_sums: torch.Tensor) -> torch.Tensor:
        """The sums themselves."""
        return kernel_sums

    @cached_property
    def weights(self) -> list[torch.Tensor]:
        """Kernel frame of each group, (O, C, 1, W), channels last."""
        frames = [self.kernel[:, :, group.slices[0].kernel_frame].unsqueeze(2) for group in self.groups]
        return [frame.contiguous(memory_format=torch.channels_last) for frame in frames]

    def _correlated(self, piece: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Output of a piece, (n, T', F', O)."""
        rows = self._padded(channels_last(piece))
        total: torch.Tensor | None = None
        for group, weight in zip(self.groups, self.weights, strict=True):
            whole = total is None and group.number == self.geometry.output_length
            product = self._convolve(_read(rows, group), weight, bias if whole else None, group)
            if whole:
                total = product.to(self.sum_dtype)
            else:
                total = self._start(rows, bias) if total is None else total
                _output_frames(total, group).add_(product)
            del product
        return self._start(rows, bias) if total is None else total

    def _grad_piece(
        self,
        grad_output: torch.Tensor,
        piece: torch.Tensor,
        input_needed: bool,
        kernel_sums: torch.Tensor | None,
        bias_sum: torch.Tensor | None,
    ) -> torch.Tensor | None:
        """Gradient of a piece of the signal, (n, T, F, C); those of kernel and bias are added to their sums."""
        grad_rows = channels_last(grad_output)
        if bias_sum is not None:
            bias_sum += grad_rows.flatten(0, 2).sum(0, dtype=self.sum_dtype)
        if not input_needed and kernel_sums is None:
            return None
        rows = self._padded(channels_last(piece))
        total: torch.Tensor | None = None
        needed = (input_needed, kernel_sums is not None)
        for group, weight in zip(self.groups, self.weights, strict=True):
            (taps,) = group.slices
            grad_group = _output_frames(grad_rows, group)
            grad_read, grad_weight = self._convolution_backward(grad_group, _read(rows, group), weight, needed)
            if kernel_sums is not None and grad_weight is not None:
                kernel_sums[:, :, taps.kernel_frame] += grad_weight.squeeze(2)
            if grad_read is None:
                continue
            if total is None and taps.number == self.geometry.signal_length:
                total = grad_read.to(self.sum_dtype)
            else:
                total = torch.zeros_like(rows, dtype=self.sum_dtype) if total is None else total
                _strided(total, taps.first, taps.step, taps.number).add_(grad_read)
            del grad_read
        if not input_needed:
            return None
        return self._unpadded(torch.zeros_like(rows) if total is None else total)

    def _start(self, rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The bias, or zeros, for every output, (n, T', F', O)."""
        outputs = len(self.kernel)
        values = rows.new_zeros(outputs, dtype=self.sum_dtype) if bias is None else bias.to(self.sum_dtype)
        shape = (len(rows), self.geometry.output_length, self.geometry.output_width, outputs)
        return values.expand(shape).contiguous()

    def _padded(self, rows: torch.Tensor) -> torch.Tensor:
        if not self.left and not self.right:
            return rows
        number, frames, coefficients, channels = rows.shape
        if number not in self.buffers:
            self.buffers[number] = rows.new_zeros(number, frames, coefficients + self.left + self.right, channels)
        self._unpadded(self.buffers[number]).copy_(rows)
        return self.buffers[number]

    def _unpadded(self, rows: torch.Tensor) -> torch.Tensor:
        if not self.left and not self.right:
            return rows
        return rows[:, :, self.left : rows.size(2) - self.right]

    def _convolve(
        self, read: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, group: SliceGroup
    ) -> torch.Tensor:
        stride, padding, dilation = self.convolution
        out = torch.nn.functional.conv2d(_image(read), weight, bias, stride, padding, dilation)
        return out.permute(0, 2, 3, 1).reshape(len(read), group.number, self.geometry.output_width, len(weight))

    def _convolution_backward(
        self, grad_group: torch.Tensor, read: torch.Tensor, weight: torch.Tensor, needed: tuple[bool, bool]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Gradients of the frames that a group reads, (n, M, F, C), and of its weight, if needed."""
        stride, padding, dilation = self.convolution
        grad_read, grad_weight, _ = torch.ops.aten.convolution_backward(
            _image(grad_group.contiguous()),
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
        return grad_read.permute(0, 2, 3, 1).reshape(read.shape) if needed[0] else None, grad_weight


def _read(rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
    """Input frames that a group reads, (n, M, F, C)."""
    (taps,) = group.slices
    return _strided(rows, taps.first, taps.step, taps.number).contiguous()


def _output_frames(rows: torch.Tensor, group: SliceGroup) -> torch.Tensor:
    """Output frames of a group, (n, M, F', O), as a view."""
    return _strided(rows, group.first, group.step, group.number)


def _image(rows: torch.Tensor) -> torch.Tensor:
    """Rows (n, M, F, C) as a channels-last image of height 1, (n M, C, 1, F)."""
    number, frames, coefficients, channels = rows.shape
    return rows.view(number * frames, 1, coefficients, channels).permute(0, 3, 1, 2)


def _strided(rows: torch.Tensor, first: int, step: int, number: int) -> torch.Tensor:
    return rows[:, first : first + step * (number - 1) + 1 : step]


def _write(rows: torch.Tensor, target: torch.Tensor) -> None:
    """Write (n, T, F, C) to (n, C, T, F), in either memory order."""
    if is_channels_last(target):
        target.permute(0, 2, 3, 1).copy_(rows)
    else:
        target.copy_(channels_first(rows.contiguous()))
