"""Output lengths of the Mellin correlation."""

from __future__ import annotations

__all__ = ["check_mellin_arguments", "mellin_support_length", "mellin_valid_length"]


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
        ValueError: a length, offset or dilation is too small.

    >>> mellin_valid_length(9, 3)
    3
    """
    check_mellin_arguments(signal_length, kernel_length, output_offset, kernel_offset, input_dilation)
    return max(signal_length * input_dilation // (kernel_length + kernel_offset - 1) - output_offset + 1, 0)


def mellin_support_length(
    signal_length: int, *, output_offset: int = 1, kernel_offset: int = 1, input_dilation: int = 1
) -> int:
    """Number of outputs up to the last that can differ from zero.

    Args:
        signal_length: frames in the signal, T >= 0.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.

    Returns:
        max(floor(T u / d) - s + 1, 0).

    Raises:
        ValueError: a length, offset or dilation is too small.

    >>> mellin_support_length(9, kernel_offset=2)
    4
    """
    check_mellin_arguments(signal_length, 1, output_offset, kernel_offset, input_dilation)
    return max(signal_length * input_dilation // kernel_offset - output_offset + 1, 0)


def check_mellin_arguments(
    signal_length: int, kernel_length: int, output_offset: int, kernel_offset: int, input_dilation: int
) -> None:
    """Raise a ValueError with argument, value and rule where a length, offset or dilation is too small."""
    smallest = {
        "signal_length": (signal_length, 0),
        "kernel_length": (kernel_length, 1),
        "output_offset": (output_offset, 1),
        "kernel_offset": (kernel_offset, 1),
        "input_dilation": (input_dilation, 1),
    }
    for name, (value, least) in smallest.items():
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
