"""Conversions between channels-first and channels-last order, as fast as the memory allows on a CPU."""

from __future__ import annotations

import torch

__all__ = ["channels_first", "channels_last", "contiguous", "empty_as", "is_channels_last", "transposed"]


def transposed(matrices: torch.Tensor) -> torch.Tensor:
    """Transpose a batch of contiguous matrices, (N, A, B) -> (N, B, A), into contiguous memory.

    A channel shuffle of (N, A B, 1, 1) in A groups is this same permutation. Torch transposes in registers for it, two
    to five times as fast on a CPU as copying a transposed view.

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
    """Check whether (N, C, T, F) is stored as (N, T, F, C), and not as (N, C, T, F) at the same time.

    >>> is_channels_last(torch.zeros(2, 3, 4, 5)), is_channels_last(torch.zeros(2, 4, 5, 3).permute(0, 3, 1, 2))
    (False, True)
    """
    return not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """Contiguous (N, T, F, C) from (N, C, T, F) in any memory order.

    >>> channels_last(torch.arange(4).view(1, 2, 1, 2)).tolist()
    [[[[0, 2], [1, 3]]]]
    """
    if is_channels_last(tensor):
        return tensor.permute(0, 2, 3, 1)
    number, channels, frames, coefficients = tensor.shape
    rows = transposed(tensor.contiguous().view(number, channels, frames * coefficients))
    return rows.view(number, frames, coefficients, channels)


def channels_first(tensor: torch.Tensor) -> torch.Tensor:
    """Contiguous (N, C, T, F) from contiguous (N, T, F, C).

    >>> channels_first(torch.arange(4).view(1, 1, 2, 2)).tolist()
    [[[[0, 2]], [[1, 3]]]]
    """
    number, frames, coefficients, channels = tensor.shape
    return transposed(tensor.view(number, frames * coefficients, channels)).view(number, channels, frames, coefficients)


def contiguous(tensor: torch.Tensor) -> torch.Tensor:
    """Contiguous (N, C, T, F) from any memory order.

    >>> stored = torch.arange(8).view(1, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    >>> contiguous(stored).is_contiguous(), contiguous(stored).flatten().tolist()
    (True, [0, 1, 2, 3, 4, 5, 6, 7])
    """
    return channels_first(tensor.permute(0, 2, 3, 1)) if is_channels_last(tensor) else tensor.contiguous()


def empty_as(signal: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Empty tensor with the signal's dtype, device and memory order.

    >>> signal = torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    >>> is_channels_last(empty_as(signal, (2, 7, 4, 5))), is_channels_last(empty_as(signal.contiguous(), (2, 7, 4, 5)))
    (True, False)
    """
    order = torch.channels_last if is_channels_last(signal) else torch.contiguous_format
    return torch.empty(shape, dtype=signal.dtype, device=signal.device, memory_format=order)
