"""Correlation of a piece of the batch by products of transforms along frequency, for wide kernels.

Each frame is transformed (`fourier`) by one matrix product to R numbers a channel, (R, n, C). A tap is then R products
over channels, (n, C) by (C, O), whatever the kernel's width, and the sum of an output frame's taps is transformed back.
Rounding errors are those of a transform: relative to the largest numbers of a frame, not to each number.
"""

from __future__ import annotations

import torch

from cnn_mellin.ops.channel_order import contiguous, empty_as
from cnn_mellin.ops.fourier import Axis, collected, num_products, spread, transforms
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import frame_taps
from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["correlate", "gradients", "pays"]

# Fewer signals in a piece make small products, more do not fit the caches; and transformed numbers of a piece.
_SIGNALS_A_PIECE, _NUMBERS_A_PIECE = 80, 2**21

# More frames than an acoustic model's window has would be too many products.
_MOST_FRAMES = 16

# What takes how long, where a multiplication of `slices` takes 1: one of the transforms, one of the products, what else
# is done for a transformed number; and what `slices` copies and adds for a number of signal or output. Fitted to times
# of 15 shapes from the search's ranges.
_TRANSFORM, _PRODUCT, _TRANSFORMED, _SLICED = 1.1, 2.2, 40, 77


def correlate(
    signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry
) -> torch.Tensor:
    """Signal (N, C, T, F), kernel (O, C, K, W), bias (O,) or none -> (N, O, T', F')."""
    walk = _Walk(signal, kernel, geometry)
    weights = walk.transformed(kernel)
    out = empty_as(signal, (len(signal), len(kernel), geometry.output_length, geometry.output_width))
    start = None if bias is None else walk.matrices.constant * bias
    for piece, target in zip(signal.split(walk.piece_length), out.split(walk.piece_length), strict=True):
        read = walk.below(piece)
        given = walk.buffer("above", len(piece))
        for taps, products in zip(walk.frames, given, strict=True):
            _sum(products, [(read[i], weights[k]) for i, k in taps])
            if start is not None:
                products[0] += start
        walk.write(given, walk.matrices.output, target)
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
    weights = walk.transformed(kernel).transpose(2, 3) if needed[0] else None
    weight_sums = walk.matrices.kernel.new_zeros(walk.weight_shape) if needed[1] else None
    signal_gradient = torch.empty_like(signal) if needed[0] else None
    bias_sum = walk.matrices.kernel.new_zeros(len(kernel)) if needed[2] else None
    begin = 0
    for piece, above in zip(signal.split(walk.piece_length), gradient.split(walk.piece_length), strict=True):
        if bias_sum is not None:
            bias_sum += above.sum((0, 2, 3), dtype=walk.dtype)
        given = walk.above(above) if needed[0] or needed[1] else None
        if given is not None and weight_sums is not None:
            read = walk.below(piece)
            for taps, products in zip(walk.frames, given, strict=True):
                for input_frame, kernel_frame in taps:
                    weight_sums[kernel_frame].baddbmm_(read[input_frame].transpose(1, 2), products)
        if given is not None and weights is not None and signal_gradient is not None:
            pulled = walk.buffer("below", len(piece))
            for input_frame, products in enumerate(pulled):
                _sum(products, [(given[t], weights[k]) for t, k in walk.readers[input_frame]])
            walk.write(pulled, walk.matrices.signal, signal_gradient[begin : begin + len(piece)])
        begin += len(piece)
    return (
        signal_gradient,
        None if weight_sums is None else walk.kernel_gradient(weight_sums).to(kernel.dtype),
        None if bias_sum is None else bias_sum.to(kernel.dtype),
    )


@cached_by_shape
def pays(kernel: tuple[int, ...], coefficients: int, geometry: Geometry) -> bool:
    """Whether this takes less time than `slices`.

    Args:
        kernel: its shape, (O, C, K, W).
        coefficients: of the signal, F.
        geometry: of the correlation.

    >>> geometry = Geometry(4, 6, 1, 1, 3, 4, 1, 1, (4, 5), 81)
    >>> pays((27, 27, 6, 10), 81, geometry), pays((27, 27, 6, 2), 81, geometry._replace(padding=(0, 1)))
    (True, False)
    """
    outputs, channels, _, width = kernel
    if width == 1 or max(geometry.signal_length, geometry.output_length) > _MOST_FRAMES:
        return False
    axis = _axis(kernel, coefficients, geometry)
    below, above = channels * geometry.signal_length, outputs * geometry.output_length
    numbers = below * coefficients + above * geometry.output_width
    taps = sum([len(frame.kernel_frames) for frame in frame_taps(*geometry.along_time)])
    products = taps * channels * outputs
    ours = _TRANSFORM * axis.period * numbers
    ours += num_products(axis) * (_PRODUCT * products + _TRANSFORMED * (below + above))
    return ours < products * width * geometry.output_width + _SLICED * numbers


class _Walk:
    """What forward and backward share: matrices, taps, and buffers that are kept from piece to piece."""

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        self.dtype = torch.promote_types(signal.dtype, torch.float32)
        self.matrices = transforms(_axis(kernel.shape, signal.size(3), geometry), self.dtype, signal.device)
        self.period, self.rows = len(self.matrices.signal), len(self.matrices.kernel)
        outputs, channels, frames, _ = kernel.shape
        self.weight_shape = (frames, self.rows, channels, outputs)
        self.sides = {"below": (signal.size(2), channels), "above": (geometry.output_length, outputs)}
        largest = max(number * size for number, size in self.sides.values())
        self.piece_length = max(min(_SIGNALS_A_PIECE, _NUMBERS_A_PIECE // (self.rows * largest)), 1)
        self.frames, self.readers = _taps_both_ways(geometry)
        self.buffers: dict[tuple[str, int], torch.Tensor] = {}

    def below(self, piece: torch.Tensor) -> torch.Tensor:
        """Transforms of the signal's frames, (T, R, n, C)."""
        return self._along_frequency(piece, self.matrices.signal, self.buffer("below", len(piece)))

    def above(self, piece: torch.Tensor) -> torch.Tensor:
        """From the gradient of the output's frames to that of the products, (T', R, n, O)."""
        return self._along_frequency(piece, self.matrices.output, self.buffer("above", len(piece)))

    def buffer(self, side: str, number: int) -> torch.Tensor:
        key = (side, number)
        if key not in self.buffers:
            frames, channels = self.sides[side]
            self.buffers[key] = self.matrices.kernel.new_empty(frames, self.rows, number, channels)
        return self.buffers[key]

    def transformed(self, kernel: torch.Tensor) -> torch.Tensor:
        """Transforms of the kernel's frames, (K, R, C, O)."""
        frames = kernel.to(self.dtype).permute(2, 3, 1, 0).flatten(2)  # (K, W, C O)
        return torch.matmul(self.matrices.kernel, frames).view(self.weight_shape)

    def kernel_gradient(self, weights: torch.Tensor) -> torch.Tensor:
        """The way back of `transformed`, (O, C, K, W)."""
        frames = torch.matmul(self.matrices.kernel.t(), weights.flatten(2))  # (K, W, C O)
        return frames.unflatten(2, self.weight_shape[2:]).permute(3, 2, 0, 1).contiguous()

    def write(self, products: torch.Tensor, matrix: torch.Tensor, target: torch.Tensor) -> None:
        """Frames of products, (T, R, n, C), to the numbers that they stand for, (n, C, T, F)."""
        direct = target.dtype == self.dtype and target.is_contiguous()
        rows = target if direct else products.new_empty(target.shape)
        for frame, product in enumerate(products):
            columns = collected(product, self.period).flatten(1).t()
            torch.mm(columns, matrix, out=rows[:, :, frame].flatten(0, 1))
        if not direct:
            target.copy_(rows)

    def _along_frequency(self, piece: torch.Tensor, matrix: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        piece = contiguous(piece).to(self.dtype)
        for frame, products in enumerate(target):
            torch.mm(matrix, piece[:, :, frame].flatten(0, 1).t(), out=products[: self.period].flatten(1))
            spread(products, self.period)
        return target


_Taps = tuple[tuple[tuple[int, int], ...], ...]


@cached_by_shape
def _taps_both_ways(geometry: Geometry) -> tuple[_Taps, _Taps]:
    """The taps of each output frame (input and kernel frames), and those of each input frame (output and kernel)."""
    frames = [
        tuple(zip(taps.input_frames, taps.kernel_frames, strict=True)) for taps in frame_taps(*geometry.along_time)
    ]
    readers: list[list[tuple[int, int]]] = [[] for _ in range(geometry.signal_length)]
    for output_frame, taps in enumerate(frames):
        for input_frame, kernel_frame in taps:
            readers[input_frame].append((output_frame, kernel_frame))
    return tuple(frames), tuple(map(tuple, readers))


def _sum(total: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Sum of the products of pairs of batches of matrices."""
    if not pairs:
        total.zero_()
    for place, (left, right) in enumerate(pairs):
        if place:
            total.baddbmm_(left, right)
        else:
            torch.bmm(left, right, out=total)


def _axis(kernel: tuple[int, ...], coefficients: int, geometry: Geometry) -> Axis:
    along = (geometry.stride, geometry.dilation, geometry.padding[0])
    return Axis(coefficients, kernel[3], geometry.output_width, *along)
