"""Which input frame each tap of a Mellin correlation reads, worked out once per shape.

Legend: t output frame, k kernel frame, i input frame, all from 0; s output offset, d kernel offset, u input dilation.
Tap (t, k) reads i = (t + s)(k + d) / u - 1 where that is whole and inside the signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["FrameTaps", "TapGroup", "frame_taps", "tap_groups"]


@dataclass(frozen=True, slots=True)
class FrameTaps:
    """The taps of one output frame: kernel frames, and the input frame that each reads."""

    kernel_frames: tuple[int, ...]
    input_frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TapGroup:
    """Output frames that share the kernel frames of their taps.

    Whether (t + s)(k + d) / u is whole depends on t through gcd(t + s, u) alone, so there are no more groups than
    divisors of u.

    Args:
        output_frames: n of them.
        kernel_frames: those read by any.
        input_frames: n rows, each an input frame for every kernel frame; the length of the signal stands for a zero.
    """

    output_frames: tuple[int, ...]
    kernel_frames: tuple[int, ...]
    input_frames: tuple[tuple[int, ...], ...]


@cached_by_shape
def frame_taps(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> tuple[FrameTaps, ...]:
    """Taps of every output frame.

    >>> frame_taps(4, 2, 1, 1, 1, 3)[1]
    FrameTaps(kernel_frames=(0, 1), input_frames=(1, 3))
    """
    frames = []
    for output_frame in range(output_length):
        taps = [
            (kernel_frame, product // input_dilation - 1)
            for kernel_frame in range(kernel_length)
            if (product := (output_frame + output_offset) * (kernel_frame + kernel_offset)) % input_dilation == 0
            and product // input_dilation <= signal_length
        ]
        frames.append(FrameTaps(tuple(k for k, _ in taps), tuple(i for _, i in taps)))
    return tuple(frames)


@cached_by_shape
def tap_groups(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> tuple[TapGroup, ...]:
    """Groups of output frames with a tap; frames without one are in no group.

    >>> tap_groups(4, 2, 1, 1, 2, 3)[0]
    TapGroup(output_frames=(0, 2), kernel_frames=(1,), input_frames=((0,), (2,)))
    """
    taps = frame_taps(signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length)
    members: dict[int, list[int]] = {}
    for output_frame, taken in enumerate(taps):
        if taken.kernel_frames:
            members.setdefault(gcd(output_frame + output_offset, input_dilation), []).append(output_frame)
    groups = []
    for output_frames in members.values():
        kernel_frames = sorted({k for output_frame in output_frames for k in taps[output_frame].kernel_frames})
        rows = []
        for output_frame in output_frames:
            read = dict(zip(taps[output_frame].kernel_frames, taps[output_frame].input_frames, strict=True))
            rows.append(tuple(read.get(k, signal_length) for k in kernel_frames))
        groups.append(TapGroup(tuple(output_frames), tuple(kernel_frames), tuple(rows)))
    return tuple(groups)
