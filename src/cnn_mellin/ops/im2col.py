"""Im2col formulation: one matrix product per output frame, for signals of a single channel.

What the kernel reads at each position along frequency is laid out as columns, (T, C W, n F'). An output frame is the
product of the kernel frames that have a tap there, (O, taps C W), with the columns of the input frames that they read.
"""

from __future__ import annotations

from functools import cached_property

import torch

from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import FrameTaps, frame_taps
from cnn_mellin.ops.piecewise_formulation import PiecewiseFormulation

__all__ = ["Im2colFormulation"]

# One sum per output frame; None for an output frame without a tap.
_WeightSums = list[torch.Tensor | None]


class Im2colFormulation(PiecewiseFormulation[_WeightSums]):
    """One matrix product per output frame."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        super().__init__(signal, kernel, geometry)
        self.frames = frame_taps(*geometry.along_time)
        self.width = signal.size(3) + sum(geometry.padding)
        self.padded = self.columns = self.products = signal.new_empty(0, 0, 0)

    def correlate_piece(self, piece: torch.Tensor, bias: torch.Tensor | None, target: torch.Tensor) -> None:
        """Multiply the weight of each output frame by the columns that it reads."""
        self._fill_columns(piece)
        outputs, width = len(self.kernel), self.geometry.output_width
        if self.products.size(2) != len(piece) * width:
            self.products = piece.new_empty(self.geometry.output_length, outputs, len(piece) * width)
        start = (piece.new_zeros(outputs) if bias is None else bias).view(-1, 1)
        for taps, weight, row in zip(self.frames, self.weights, self.products, strict=True):
            if weight is None:
                row.copy_(start.expand_as(row))
            elif bias is None:
                torch.mm(weight, self._read(taps), out=row)
            else:
                torch.addmm(start, weight, self._read(taps), out=row)
        target.copy_(self.products.unflatten(2, (len(piece), width)).permute(2, 1, 0, 3))

    def add_gradients(
        self,
        grad_output: torch.Tensor,
        piece: torch.Tensor,
        grad_input: torch.Tensor | None,
        kernel_sums: _WeightSums | None,
        bias_sum: torch.Tensor | None,
    ) -> None:
        """Two matrix products per output frame: one for its weight, one for the columns that it reads."""
        grad_rows = grad_output.permute(2, 1, 0, 3).flatten(2)  # (T', O, n F')
        if bias_sum is not None:
            bias_sum += grad_rows.sum((0, 2), dtype=self.sum_dtype)
        if kernel_sums is not None:
            self._fill_columns(piece)
            for taps, weight_sum, row in zip(self.frames, kernel_sums, grad_rows, strict=True):
                if weight_sum is not None:
                    weight_sum += torch.mm(row, self._read(taps).t())
        if grad_input is not None:
            _, channels, frames, _ = self.signal.shape
            shape = (frames, channels * self.kernel.size(3), grad_rows.size(2))
            grad_columns = piece.new_zeros(shape, dtype=self.sum_dtype)
            for taps, weight, row in zip(self.frames, self.weights, grad_rows, strict=True):
                if weight is None:
                    continue
                grad_read = torch.mm(weight.t(), row).view(len(taps.input_frames), -1, row.size(1))
                for input_frame, grad_frame in zip(taps.input_frames, grad_read, strict=True):
                    grad_columns[input_frame] += grad_frame
            grad_input.copy_(self._folded(grad_columns, len(piece)))

    def new_kernel_sums(self) -> _WeightSums:
        """One sum per output frame, (O, taps C W)."""
        return [None if weight is None else torch.zeros_like(weight, dtype=self.sum_dtype) for weight in self.weights]

    def grad_kernel(self, kernel_sums: _WeightSums) -> torch.Tensor:
        """Every kernel frame's share of the weight of each output frame, added up."""
        total = torch.zeros_like(self.kernel, dtype=self.sum_dtype)
        outputs, channels, _, width = self.kernel.shape
        for taps, weight_sum in zip(self.frames, kernel_sums, strict=True):
            if weight_sum is not None:
                grad_frames = weight_sum.view(outputs, len(taps.kernel_frames), channels, width)
                for place, kernel_frame in enumerate(taps.kernel_frames):
                    total[:, :, kernel_frame] += grad_frames[:, place]
        return total

    @cached_property
    def weights(self) -> list[torch.Tensor | None]:
        """Kernel frames of each output frame side by side, (O, taps C W); None for one without a tap."""
        return [_weight(self.kernel, taps) for taps in self.frames]

    def _piece_lengths(self) -> list[int]:
        number, channels, frames, _ = self.signal.shape
        input_size = frames * channels * self.kernel.size(3)
        output_size = self.geometry.output_length * len(self.kernel)
        return piece_lengths(number, max(input_size, output_size) * self.geometry.output_width)

    def _fill_columns(self, piece: torch.Tensor) -> None:
        number, channels, frames, coefficients = piece.shape
        width, output_width = self.kernel.size(3), self.geometry.output_width
        if self.padded.size(2) != number:
            self.padded = piece.new_zeros(frames, channels, number, self.width)
            self.columns = piece.new_empty(frames, channels * width, number * output_width)
        left = self.geometry.padding[0]
        self.padded[:, :, :, left : left + coefficients] = piece.permute(2, 1, 0, 3)
        shape = (frames, channels, width, number, output_width)
        strides = (channels * number * self.width, number * self.width, self.geometry.dilation, self.width)
        shifted = self.padded.as_strided(shape, (*strides, self.geometry.stride))
        self.columns.view(shape).copy_(shifted)

    def _read(self, taps: FrameTaps) -> torch.Tensor:
        """Columns of the input frames that an output frame reads, (taps C W, n F')."""
        if len(taps.input_frames) == 1:
            return self.columns[taps.input_frames[0]]
        return torch.cat([self.columns[input_frame] for input_frame in taps.input_frames])

    def _folded(self, columns: torch.Tensor, number: int) -> torch.Tensor:
        """Each column added to the coefficients that it was read from, (n, C, T, F)."""
        _, channels, frames, coefficients = self.signal.shape
        width, stride = self.geometry.output_width, self.geometry.stride
        positions = columns.view(frames, channels, self.kernel.size(3), number, width)
        total = columns.new_zeros(frames, channels, number, self.width)
        for position in range(self.kernel.size(3)):
            first = position * self.geometry.dilation
            total[:, :, :, first : first + stride * (width - 1) + 1 : stride] += positions[:, :, position]
        left = self.geometry.padding[0]
        return total[:, :, :, left : left + coefficients].permute(2, 1, 0, 3)


def _weight(kernel: torch.Tensor, taps: FrameTaps) -> torch.Tensor | None:
    if not taps.kernel_frames:
        return None
    return torch.cat([kernel[:, :, kernel_frame].flatten(1) for kernel_frame in taps.kernel_frames], 1)
