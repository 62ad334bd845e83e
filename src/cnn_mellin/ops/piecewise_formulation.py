"""Skeleton of the formulations that correlate a batch piece by piece and compute their own gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch

from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.ops.channel_order import empty_as
from cnn_mellin.ops.geometry import Geometry

__all__ = ["PiecewiseFormulation"]

KernelSums = TypeVar("KernelSums")


class PiecewiseFormulation(ABC, Generic[KernelSums]):
    """One correlation or its gradients, computed for one piece of the batch after the other.

    An instance serves a single call and reuses its buffers from piece to piece. A subclass defines how one piece is
    correlated, what one piece adds to each gradient, and in which form the gradient of the kernel is summed.

    Args:
        signal: (N, C, T, F).
        kernel: (O, C, K, W).
        geometry: geometry of the correlation.

    Attributes:
        sum_dtype: dtype of sums over taps and pieces, at least single precision.
        piece_lengths: number of signals in each piece; the first piece is the longest.
    """

    def __init__(self, signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> None:
        self.signal, self.kernel, self.geometry = signal, kernel, geometry
        self.sum_dtype = torch.promote_types(signal.dtype, torch.float32)
        self.piece_lengths = self._piece_lengths()

    def correlate(self, bias: torch.Tensor | None) -> torch.Tensor:
        """Output (N, O, T', F') with an optional bias (O,), in the memory order of the signal."""
        shape = (len(self.signal), len(self.kernel), self.geometry.output_length, self.geometry.output_width)
        out = empty_as(self.signal, shape)
        pieces = zip(self.signal.split(self.piece_lengths), out.split(self.piece_lengths), strict=True)
        for piece, target in pieces:
            self.correlate_piece(piece, bias, target)
        return out

    def gradients(
        self, grad_output: torch.Tensor, needed: tuple[bool, ...]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Gradients of signal, kernel and bias; None for those that are not needed."""
        grad_input = torch.empty_like(self.signal) if needed[0] else None
        kernel_sums = self.new_kernel_sums() if needed[1] else None
        bias_sum = self.kernel.new_zeros(len(self.kernel), dtype=self.sum_dtype) if needed[2] else None
        pieces = zip(self.signal.split(self.piece_lengths), grad_output.split(self.piece_lengths), strict=True)
        begin = 0
        for piece, grad_piece in pieces:
            target = None if grad_input is None else grad_input[begin : begin + len(piece)]
            self.add_gradients(grad_piece, piece, target, kernel_sums, bias_sum)
            begin += len(piece)
        return (
            grad_input,
            None if kernel_sums is None else self.grad_kernel(kernel_sums).to(self.kernel.dtype),
            None if bias_sum is None else bias_sum.to(self.kernel.dtype),
        )

    @abstractmethod
    def correlate_piece(self, piece: torch.Tensor, bias: torch.Tensor | None, target: torch.Tensor) -> None:
        """Write the output of one piece (n, C, T, F) to its target (n, O, T', F')."""

    @abstractmethod
    def add_gradients(
        self,
        grad_output: torch.Tensor,
        piece: torch.Tensor,
        grad_input: torch.Tensor | None,
        kernel_sums: KernelSums | None,
        bias_sum: torch.Tensor | None,
    ) -> None:
        """Write the gradient of one piece to `grad_input`, and add its share of the other gradients to their sums."""

    @abstractmethod
    def new_kernel_sums(self) -> KernelSums:
        """Zeros in the form in which this formulation sums the gradient of the kernel."""

    @abstractmethod
    def grad_kernel(self, kernel_sums: KernelSums) -> torch.Tensor:
        """Gradient of the kernel (O, C, K, W) from its sums."""

    def _piece_lengths(self) -> list[int]:
        _, channels, frames, coefficients = self.signal.shape
        input_size = channels * frames * coefficients
        output_size = len(self.kernel) * self.geometry.output_length * self.geometry.output_width
        return piece_lengths(len(self.signal), max(input_size, output_size))
