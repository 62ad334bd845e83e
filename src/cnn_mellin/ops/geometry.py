"""Geometry of a 2-d Mellin correlation: everything about it except the values of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cnn_mellin.ops.lengths import mellin_arguments
from cnn_mellin.ops.sizes import Size, Sizes, size_of, sizes_of

__all__ = ["Geometry", "geometry_of"]


class Geometry(NamedTuple):
    """Lengths, offsets and the frequency axis of one correlation.

    Args:
        signal_length, kernel_length: frames, T and K.
        output_offset, kernel_offset, input_dilation: s, d, u of the time axis.
        output_length: frames of the output.
        stride, dilation: stride and dilation of the frequency axis.
        padding: zeros left and right of the frequency axis.
        output_width: coefficients of the output.

    >>> Geometry(4, 2, 1, 1, 2, 3, 1, 1, (0, 1), 5).along_time
    (4, 2, 1, 1, 2, 3)
    """

    signal_length: int
    kernel_length: int
    output_offset: int
    kernel_offset: int
    input_dilation: int
    output_length: int
    stride: int
    dilation: int
    padding: tuple[int, int]
    output_width: int

    @property
    def along_time(self) -> tuple[int, int, int, int, int, int]:
        """Arguments of the index plans: T, K, s, d, u and the length of the output."""
        return self[:6]


def geometry_of(
    signal_shape: Sequence[int],
    kernel_shape: Sequence[int],
    along_time: tuple[Size, Size, Size, Size | None],
    along_frequency: tuple[Size, Size, Sizes],
) -> Geometry:
    """Geometry of a correlation, from checked sizes.

    Args:
        signal_shape: N, C, T, F.
        kernel_shape: O, C, K, W.
        along_time: output offset, kernel offset, input dilation, and output length or None.
        along_frequency: stride, dilation, padding.

    Raises:
        ValueError: a size is not a whole number or too small, or the signal is too short or too narrow for any output.

    >>> geometry_of((1, 1, 4, 3), (1, 1, 2, 2), (1, 1, 1, None), (1, 1, 0)).output_length
    2
    """
    frames, kernel_frames, *offsets = mellin_arguments(signal_shape[2], kernel_shape[2], *along_time[:3])
    output_offset, kernel_offset, input_dilation = offsets
    stride, dilation = size_of("stride", along_frequency[0]), size_of("dilation", along_frequency[1])
    left, right = sizes_of("padding", along_frequency[2], ("left", "right"), 0)
    if along_time[3] is not None:
        output_length = size_of("output_length", along_time[3], 0)
    else:
        last = kernel_frames + kernel_offset - 1
        needed = -(-output_offset * last // input_dilation)
        if frames < needed:
            raise ValueError(
                f"signal has {frames} frames, too few for an output whose every term lies inside it; it must have at "
                f"least {needed}, or give output_length"
            )
        output_length = frames * input_dilation // last - output_offset + 1
    span, width = dilation * (kernel_shape[3] - 1) + 1, signal_shape[3] + left + right
    if width < span:
        raise ValueError(
            f"signal has {signal_shape[3]} coefficients, {width} with padding; it must have at least the {span} that "
            "the kernel spans (or more padding)"
        )
    return Geometry(
        frames,
        kernel_frames,
        output_offset,
        kernel_offset,
        input_dilation,
        output_length,
        stride,
        dilation,
        (left, right),
        (width - span) // stride + 1,
    )
