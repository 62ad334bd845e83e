"""Everything about a 2-d Mellin correlation that is not in its tensors."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Geometry"]


class Geometry(NamedTuple):
    """Lengths, offsets and the frequency axis of one correlation.

    Args:
        signal_length, kernel_length: frames, T and K.
        output_offset, kernel_offset, input_dilation: s, d, u of the time axis.
        output_length: frames.
        stride, dilation: of the frequency axis.
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
        """What plans of indices are made from: T, K, s, d, u and the output's length."""
        return self[:6]
