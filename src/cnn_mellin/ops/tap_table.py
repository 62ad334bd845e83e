"""Tables of the frames that each kernel row meets: what a layer can learn, known before it is trained.

Output t compares frames of the signal whose positions (counted from 1) have the ratios (k + d) / u to its own. In a
short signal, most kernel rows meet no frame in any output and never get a gradient. An output turns a change of
speaking rate into a shift only if it compares several ratios; with a single one it is just a weighted frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from cnn_mellin.ops.index_plan import frame_taps
from cnn_mellin.ops.lengths import mellin_support_length, mellin_valid_length

__all__ = [
    "Tap",
    "TapTable",
    "linear_tap_table",
    "mellin_most_ratios",
    "mellin_num_dead_rows",
    "mellin_tap_table",
]


@dataclass(frozen=True, slots=True)
class Tap:
    """One product of an output.

    Args:
        kernel_row: row of the kernel, k, from 0.
        frame: frame of the signal that it meets, from 0.
        ratio: (k + d) / u, position of the frame over position of the output; None in an ordinary correlation.
    """

    kernel_row: int
    frame: int
    ratio: Fraction | None = None


@dataclass(frozen=True)
class TapTable:
    """Taps of every output frame of a layer.

    Args:
        num_frames: frames in the signal.
        kernel_length: rows of the kernel.
        outputs: taps of each output frame, in the order of the kernel's rows.
    """

    num_frames: int
    kernel_length: int
    outputs: tuple[tuple[Tap, ...], ...]

    @property
    def live_rows(self) -> tuple[int, ...]:
        """Kernel rows that meet a frame in some output; the others never get a gradient."""
        return tuple(sorted({tap.kernel_row for taps in self.outputs for tap in taps}))

    @property
    def dead_rows(self) -> tuple[int, ...]:
        """Kernel rows that meet no frame in any output."""
        live = set(self.live_rows)
        return tuple(row for row in range(self.kernel_length) if row not in live)

    @property
    def num_taps(self) -> int:
        """Number of products of a kernel row with a frame, over all outputs."""
        return sum(map(len, self.outputs))

    @property
    def most_ratios(self) -> int:
        """Largest number of frames that one output compares."""
        return max(map(len, self.outputs), default=0)

    def __str__(self) -> str:
        """One line per output frame.

        >>> print(mellin_tap_table(4, 3, kernel_offset=2, output_length=2))
        out 0: row 0 x frame 1, row 1 x frame 2, row 2 x frame 3
        out 1: row 0 x frame 3
        """
        lines = []
        for output, taps in enumerate(self.outputs):
            products = ", ".join(f"row {tap.kernel_row} x frame {tap.frame}" for tap in taps)
            lines.append(f"out {output}: {products or 'nothing'}")
        return "\n".join(lines)


def mellin_tap_table(
    num_frames: int,
    kernel_length: int,
    *,
    output_offset: int = 1,
    kernel_offset: int = 1,
    input_dilation: int = 1,
    output_length: int | None = None,
) -> TapTable:
    """Compute the taps of a Mellin correlation.

    Args:
        num_frames: frames in the signal, T >= 0.
        kernel_length: rows of the kernel, K >= 1.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default, those whose every term lies inside the signal.

    Raises:
        ValueError: a length, offset or dilation is not a whole number, or too small.

    >>> table = mellin_tap_table(2, 6, input_dilation=3, output_length=2)
    >>> table.live_rows, table.most_ratios  # the published settings, with Mellin layers
    ((2, 5), 2)
    """
    offsets = {"output_offset": output_offset, "kernel_offset": kernel_offset, "input_dilation": input_dilation}
    valid = mellin_valid_length(num_frames, kernel_length, **offsets)
    length = valid if output_length is None else output_length
    if length < 0:
        raise ValueError(f"output_length is {length}; it must be at least 0")
    # Outputs past the support meet nothing, and a caller may ask for any number of them.
    supported = min(length, mellin_support_length(num_frames, **offsets))
    outputs: list[tuple[Tap, ...]] = []
    taps = frame_taps(num_frames, kernel_length, output_offset, kernel_offset, input_dilation, supported)
    for taken in taps:
        pairs = zip(taken.kernel_frames, taken.input_frames, strict=True)
        outputs.append(tuple(Tap(k, frame, Fraction(k + kernel_offset, input_dilation)) for k, frame in pairs))
    return TapTable(num_frames, kernel_length, (*outputs, *((),) * (length - supported)))


# The two counts below are those of a table without its products, for searches over many sizes.
# Output t (from 1) multiplies row k with frame t (k + d) / u, where that is whole and at most T.
# T frames, K kernel rows, d kernel offset, u input dilation.


def mellin_num_dead_rows(
    num_frames: int, kernel_length: int, kernel_offset: int, input_dilation: int, output_length: int
) -> int:
    """Number of kernel rows that meet no frame; row k meets its first in output u / g, g = gcd(k + d, u).

    Args:
        num_frames, kernel_length, kernel_offset, input_dilation, output_length: as in `mellin_tap_table`.

    >>> mellin_num_dead_rows(2, 6, 1, 3, 2)
    4
    """
    dead = 0
    for place in range(kernel_offset, kernel_offset + kernel_length):
        divisor = math.gcd(place, input_dilation)
        dead += place // divisor > num_frames or input_dilation // divisor > output_length
    return dead


def mellin_most_ratios(
    num_frames: int, kernel_length: int, kernel_offset: int, input_dilation: int, output_length: int
) -> int:
    """Largest number of frames that one output compares.

    Output t meets the rows whose k + d is a multiple of u / gcd(t, u). Of the outputs with the same divisor, the
    divisor itself comes first, and meets the earliest frames: multiple m meets frame m.

    Args:
        num_frames, kernel_length, kernel_offset, input_dilation, output_length: as in `mellin_tap_table`.

    >>> mellin_most_ratios(2, 6, 1, 3, 2)
    2
    """
    most = 0
    first, last = kernel_offset, kernel_offset + kernel_length - 1
    for output in range(1, min(input_dilation, output_length) + 1):
        if input_dilation % output == 0:
            step = input_dilation // output
            most = max(most, min(last // step, num_frames) - -(-first // step) + 1)
    return most


def linear_tap_table(num_frames: int, kernel_length: int, *, stride: int = 1, padding: int = 0) -> TapTable:
    """Compute the taps of an ordinary correlation, as in torch's convolutions.

    Args:
        num_frames: frames in the signal.
        kernel_length: rows of the kernel.
        stride: frames from one output to the next.
        padding: zeros on either side of the signal.

    >>> linear_tap_table(2, 6, padding=2).live_rows
    (2, 3)
    """
    num_outputs = max((num_frames + 2 * padding - kernel_length) // stride + 1, 0)
    outputs = []
    for output in range(num_outputs):
        first = output * stride - padding
        rows = range(max(-first, 0), min(kernel_length, num_frames - first))
        outputs.append(tuple(Tap(row, first + row) for row in rows))
    return TapTable(num_frames, kernel_length, tuple(outputs))
