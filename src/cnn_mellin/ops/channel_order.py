"""Channels moved behind the other axes and back, as fast as the memory allows on a CPU."""

from __future__ import annotations

import torch

__all__ = ["channels_first", "channels_last", "contiguous", "empty_as", "is_channels_last", "transposed"]


def transposed(matrices: torch.Tensor) -> torch.Tensor:
    """A batch of matrices, (N, A, B), as (N, B, A), contiguous.

    A channel shuffle of (N, A B, 1, 1) in A groups is this very permutation, and torch does it with a transposition in
    registers, two to five times as fast on a CPU as copying a transposed view.

    Raises:
        RuntimeError: the matrices are not contiguous.

    >>> transposed(torch.tensor([[[1, 2, 3], [4, 5, 6]]])).tolist()
    [[[1, 4], [2, 5], [3, 6]]]
    """
    number, rows, columns = matrices.shape
    if rows == 1 or columns == 1:
        return matrices.view(number, columns, rows)
    size = rows * columns
    pixels = matrices.view(number, size).as_strided((number, size, 1, 1), (size, 1, size, size))
    return torch.native_channel_shuffle(pixels, rows).view(number, columns, rows)


def is_channels_last(tensor: torch.Tensor) -> bool:
    """Whether (N, C, T, F) lies in memory as (N, T, F, C), and that differs from (N, C, T, F).

    >>> is_channels_last(torch.zeros(2, 3, 4, 5)), is_channels_last(torch.zeros(2, 4, 5, 3).permute(0, 3, 1, 2))
    (False, True)
    """
    return not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """(N, C, T, F), in whatever order it lies in memory, as a contiguous (N, T, F, C).

    >>> channels_last(torch.arange(4).view(1, 2, 1, 2)).tolist()
    [[[[0, 2], [1, 3]]]]
    """
    if is_channels_last(tensor):
        return tensor.permute(0, 2, 3, 1)
    number, channels, frames, coefficients = tensor.shape
    rows = transposed(tensor.contiguous().view(number, channels, frames * coefficients))
    return rows.view(number, frames, coefficients, channels)


def channels_first(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous (N, T, F, C) as a contiguous (N, C, T, F).

    >>> channels_first(torch.arange(4).view(1, 1, 2, 2)).tolist()
    [[[[0, 2]], [[1, 3]]]]
    """
    number, frames, coefficients, channels = tensor.shape
    return transposed(tensor.view(number, frames * coefficients, channels)).view(number, channels, frames, coefficients)


def contiguous(tensor: torch.Tensor) -> torch.Tensor:
    """(N, C, T, F) contiguous, in whatever order it lies in memory.

    >>> stored = torch.arange(8).view(1, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    >>> contiguous(stored).is_contiguous(), contiguous(stored).flatten().tolist()
    (True, [0, 1, 2, 3, 4, 5, 6, 7])
    """
    return channels_first(tensor.permute(0, 2, 3, 1)) if is_channels_last(tensor) else tensor.contiguous()


def empty_as(signal: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Memory for numbers of a signal's type, in the order in which the signal lies.

    >>> signal = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    >>> is_channels_last(empty_as(signal, (2, 7, 4, 5))), is_channels_last(empty_as(signal.contiguous(), (2, 7, 4, 5)))
    (True, False)
    """
    order = torch.channels_last if is_channels_last(signal) else torch.contiguous_format
    return torch.empty(shape, dtype=signal.dtype, device=signal.device, memory_format=order)
