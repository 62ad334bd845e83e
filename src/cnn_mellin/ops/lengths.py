"""Output lengths of the Mellin correlation."""

from __future__ import annotations

from typing import Any

from cnn_mellin.ops.sizes import size_of

__all__ = ["mellin_arguments", "mellin_support_length", "mellin_valid_length"]


def mellin_valid_length(
    signal_length: int, kernel_length: int, *, output_offset: int = 1, kernel_offset: int = 1, input_dilation: int = 1
) -> int:
    """Number of outputs whose every term lies inside the signal.

    Args:
        signal_length: frames in the signal, T >= 0.
        kernel_length: frames in the kernel, K >= 1.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.

    Returns:
        max(floor(T u / (K + d - 1)) - s + 1, 0).

    Raises:
        ValueError: a length, offset or dilation is not a whole number, or too small.

    >>> mellin_valid_length(9, 3)
    3
    """
    signal_length, kernel_length, output_offset, kernel_offset, input_dilation = mellin_arguments(
        signal_length, kernel_length, output_offset, kernel_offset, input_dilation
    )
    return max(signal_length * input_dilation // (kernel_length + kernel_offset - 1) - output_offset + 1, 0)


def mellin_support_length(
    signal_length: int, *, output_offset: int = 1, kernel_offset: int = 1, input_dilation: int = 1
) -> int:
    """Number of outputs up to the last one that can differ from zero.

    Args:
        signal_length: frames in the signal, T >= 0.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.

    Returns:
        max(floor(T u / d) - s + 1, 0).

    Raises:
        ValueError: a length, offset or dilation is not a whole number, or too small.

    >>> mellin_support_length(9, kernel_offset=2)
    4
    """
    signal_length, _, output_offset, kernel_offset, input_dilation = mellin_arguments(
        signal_length, 1, output_offset, kernel_offset, input_dilation
    )
    return max(signal_length * input_dilation // kernel_offset - output_offset + 1, 0)


def mellin_arguments(
    signal_length: Any, kernel_length: Any, output_offset: Any, kernel_offset: Any, input_dilation: Any
) -> tuple[int, int, int, int, int]:
    """Convert lengths, offsets and dilation to ints.

    Raises:
        ValueError: one of them is not a whole number, or too small.

    >>> mellin_arguments(9, (3,), 1, 1, 2)
    (9, 3, 1, 1, 2)
    """
    return (
        size_of("signal_length", signal_length, 0),
        size_of("kernel_length", kernel_length),
        size_of("output_offset", output_offset),
        size_of("kernel_offset", kernel_offset),
        size_of("input_dilation", input_dilation),
    )
