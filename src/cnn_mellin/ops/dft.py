"""DFT formulation: products of discrete Fourier transforms along frequency, for wide kernels.

One matrix product (`fourier`) transforms each frame to R numbers per channel, (R, n, C). A tap is then R products over
channels, (n, C) by (C, O), whatever the kernel's width, and the sum over the taps of an output frame is transformed
back. Rounding errors are those of a transform: relative to the largest numbers of a frame, not to each number.
"""

from __future__ import annotations

from functools import cached_property

import torch

from cnn_mellin.ops.channel_order import contiguous
from cnn_mellin.ops.fourier import Axis, collected, num_products, spread, transforms
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import frame_taps
from cnn_mellin.ops.piecewise_formulation import PiecewiseFormulation
from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["DftFormulation", "is_dft_faster"]

# A piece of fewer signals makes small products, one of more does not fit the caches; and transformed numbers per piece.
_SIGNALS_PER_PIECE, _NUMBERS_PER_PIECE = 80, 2**21

# More frames than the window of an acoustic model has would be too many products.
_MOST_FRAMES = 16

# Costs relative to one multiplication of the per-tap formulation: a multiplication of the transforms, one of the
# products, everything else per transformed number; and what the per-tap formulation copies and adds per number of
# signal or output. Fitted to the times of 15 shapes from the search's ranges.
_TRANSFORM, _PRODUCT, _TRANSFORMED, _PER_TAP = 1.1, 2.2, 40, 77


class DftFormulation(PiecewiseFormulation[torch.Tensor]):
    """Products of transforms along frequency."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        dtype = torch.promote_types(signal.dtype, torch.float32)
        self.matrices = transforms(_axis(kernel.shape, signal.size(3), geometry), dtype, signal.device)
        self.period, self.num_products = len(self.matrices.signal), len(self.matrices.kernel)
        outputs, channels, frames, _ = kernel.shape
        self.weight_shape = (frames, self.num_products, channels, outputs)
        self.frames, self.readers = _taps_both_ways(geometry)
        # Frames and channels of the transformed input and output.
        self.sides = {"input": (signal.size(2), channels), "output": (geometry.output_length, outputs)}
        self.buffers: dict[tuple[str, int], torch.Tensor] = {}
        super().__init__(signal, kernel, geometry)

    def correlate_piece(self, piece: torch.Tensor, bias: torch.Tensor | None, target: torch.Tensor) -> None:
        """Sum the products of each output frame, and transform them back."""
        read = self._transformed(piece, self.matrices.signal, "input")
        summed = self._buffer("output", len(piece))
        start = None if bias is None else self.matrices.constant * bias
        for taps, products in zip(self.frames, summed, strict=True):
            _sum_products(products, [(read[i], self.weights[k]) for i, k in taps])
            if start is not None:
                products[0] += start
        self._write_back(summed, self.matrices.output, target)

    def add_gradients(
        self,
        grad_output: torch.Tensor,
        piece: torch.Tensor,
        grad_input: torch.Tensor | None,
        kernel_sums: torch.Tensor | None,
        bias_sum: torch.Tensor | None,
    ) -> None:
        """Transform the gradient of the output, and multiply it by the transforms of kernel and signal."""
        if bias_sum is not None:
            bias_sum += grad_output.sum((0, 2, 3), dtype=self.sum_dtype)
        if grad_input is None and kernel_sums is None:
            return
        grad_products = self._transformed(grad_output, self.matrices.output, "output")
        if kernel_sums is not None:
            read = self._transformed(piece, self.matrices.signal, "input")
            for taps, products in zip(self.frames, grad_products, strict=True):
                for input_frame, kernel_frame in taps:
                    kernel_sums[kernel_frame].baddbmm_(read[input_frame].transpose(1, 2), products)
        if grad_input is not None:
            weights = self.weights.transpose(2, 3)
            grad_read = self._buffer("input", len(piece))
            for readers, products in zip(self.readers, grad_read, strict=True):
                _sum_products(products, [(grad_products[t], weights[k]) for t, k in readers])
            self._write_back(grad_read, self.matrices.signal, grad_input)

    def new_kernel_sums(self) -> torch.Tensor:
        """(K, R, C, O)."""
        return self.matrices.kernel.new_zeros(self.weight_shape)

    def grad_kernel(self, kernel_sums: torch.Tensor) -> torch.Tensor:
        """The transpose of `weights` applied to its gradient, (O, C, K, W)."""
        frames = torch.matmul(self.matrices.kernel.t(), kernel_sums.flatten(2))  # (K, W, C O)
        gradient: torch.Tensor = frames.unflatten(2, self.weight_shape[2:]).permute(3, 2, 0, 1).contiguous()
        return gradient

    @cached_property
    def weights(self) -> torch.Tensor:
        """Transforms of the kernel's frames, (K, R, C, O)."""
        frames = self.kernel.to(self.sum_dtype).permute(2, 3, 1, 0).flatten(2)  # (K, W, C O)
        return torch.matmul(self.matrices.kernel, frames).view(self.weight_shape)

    def _piece_lengths(self) -> list[int]:
        largest = max(frames * channels for frames, channels in self.sides.values())
        most = max(min(_SIGNALS_PER_PIECE, _NUMBERS_PER_PIECE // (self.num_products * largest)), 1)
        return [min(most, len(self.signal) - begin) for begin in range(0, len(self.signal), most)]

    def _buffer(self, side: str, number: int) -> torch.Tensor:
        key = (side, number)
        if key not in self.buffers:
            frames, channels = self.sides[side]
            self.buffers[key] = self.matrices.kernel.new_empty(frames, self.num_products, number, channels)
        return self.buffers[key]

    def _transformed(self, piece: torch.Tensor, matrix: torch.Tensor, side: str) -> torch.Tensor:
        """Frames of a piece, or of the gradient of its output, as products, (T, R, n, C)."""
        target = self._buffer(side, len(piece))
        piece = contiguous(piece).to(self.sum_dtype)
        for frame, products in enumerate(target):
            torch.mm(matrix, piece[:, :, frame].flatten(0, 1).t(), out=products[: self.period].flatten(1))
            spread(products, self.period)
        return target

    def _write_back(self, products: torch.Tensor, matrix: torch.Tensor, target: torch.Tensor) -> None:
        """Transform products (T, R, n, C) back, into a target (n, C, T, F)."""
        direct = target.dtype == self.sum_dtype and target.is_contiguous()
        rows = target if direct else products.new_empty(target.shape)
        for frame, product in enumerate(products):
            columns = collected(product, self.period).flatten(1).t()
            torch.mm(columns, matrix, out=rows[:, :, frame].flatten(0, 1))
        if not direct:
            target.copy_(rows)


@cached_by_shape
def is_dft_faster(kernel: tuple[int, ...], coefficients: int, geometry: Geometry) -> bool:
    """Check whether the DFT formulation is expected to take less time than the per-tap formulation.

    Args:
        kernel: shape of the kernel, (O, C, K, W).
        coefficients: coefficients of the signal, F.
        geometry: geometry of the correlation.

    >>> geometry = Geometry(4, 6, 1, 1, 3, 4, 1, 1, (4, 5), 81)
    >>> is_dft_faster((27, 27, 6, 10), 81, geometry)
    True
    >>> is_dft_faster((27, 27, 6, 2), 81, geometry._replace(padding=(0, 1)))
    False
    """
    outputs, channels, _, width = kernel
    if width == 1 or max(geometry.signal_length, geometry.output_length) > _MOST_FRAMES:
        return False
    axis = _axis(kernel, coefficients, geometry)
    input_rows, output_rows = channels * geometry.signal_length, outputs * geometry.output_length
    numbers = input_rows * coefficients + output_rows * geometry.output_width
    taps = sum([len(frame.kernel_frames) for frame in frame_taps(*geometry.along_time)])
    products = taps * channels * outputs
    dft_cost = _TRANSFORM * axis.period * numbers
    dft_cost += num_products(axis) * (_PRODUCT * products + _TRANSFORMED * (input_rows + output_rows))
    return dft_cost < products * width * geometry.output_width + _PER_TAP * numbers


_Taps = tuple[tuple[tuple[int, int], ...], ...]


@cached_by_shape
def _taps_both_ways(geometry: Geometry) -> tuple[_Taps, _Taps]:
    """Taps of each output frame (input and kernel frames), and of each input frame (output and kernel frames)."""
    frames = [
        tuple(zip(taps.input_frames, taps.kernel_frames, strict=True)) for taps in frame_taps(*geometry.along_time)
    ]
    readers: list[list[tuple[int, int]]] = [[] for _ in range(geometry.signal_length)]
    for output_frame, taps in enumerate(frames):
        for input_frame, kernel_frame in taps:
            readers[input_frame].append((output_frame, kernel_frame))
    return tuple(frames), tuple(map(tuple, readers))


def _sum_products(total: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Write the sum of the products of pairs of batched matrices."""
    if not pairs:
        total.zero_()
    for place, (left, right) in enumerate(pairs):
        if place:
            total.baddbmm_(left, right)
        else:
            torch.bmm(left, right, out=total)


def _axis(kernel: tuple[int, ...], coefficients: int, geometry: Geometry) -> Axis:
    return Axis(coefficients, kernel[3], geometry.output_width, geometry.stride, geometry.dilation, geometry.padding[0])
