"""Plans of which input frame each tap of a Mellin correlation reads, computed once per shape.

Legend: t output frame, k kernel frame, i input frame, all from 0; s output offset, d kernel offset, u input dilation.
Tap (t, k) reads i = (t + s)(k + d) / u - 1 if that is a whole number and inside the signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["FrameTaps", "Slice", "SliceGroup", "TapGroup", "TapGroups", "frame_taps", "slice_groups", "tap_groups"]


@dataclass(frozen=True, slots=True)
class FrameTaps:
    """Taps of one output frame: kernel frames, and the input frame that each of them reads."""

    kernel_frames: tuple[int, ...]
    input_frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TapGroup:
    """Group of output frames that share the kernel frames of their taps.

    Whether (t + s)(k + d) / u is a whole number depends on t only through gcd(t + s, u), so there are no more groups
    than divisors of u.

    Args:
        num_outputs: output frames in the group, n.
        kernel_frames: the m kernel frames that have a tap in any of them.
        input_frames: m times n input frames, those of the first kernel frame first; the length of the signal stands
            for a zero.
    """

    num_outputs: int
    kernel_frames: tuple[int, ...]
    input_frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TapGroups:
    """All output frames, in groups.

    Args:
        groups: groups of the output frames that have a tap.
        order: index of each output frame in the concatenated outputs of the groups; one past their end for an output
            frame without a tap.
    """

    groups: tuple[TapGroup, ...]
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """All taps of one kernel frame: it reads `number` input frames, every `step`-th from `first`."""

    kernel_frame: int
    first: int
    step: int
    number: int


@dataclass(frozen=True, slots=True)
class SliceGroup:
    """Kernel frames that write to the same `number` output frames, every `step`-th from `first`.

    Tap m (from 0) of a slice belongs to output frame first + step m; a slice may end before the group does.
    """

    first: int
    step: int
    number: int
    slices: tuple[Slice, ...]


@cached_by_shape
def frame_taps(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> tuple[FrameTaps, ...]:
    """Compute the taps of every output frame.

    >>> frame_taps(4, 2, 1, 1, 1, 3)[1]
    FrameTaps(kernel_frames=(0, 1), input_frames=(1, 3))
    """
    frames = []
    for output_frame in range(output_length):
        kernel_frames, input_frames = [], []
        for kernel_frame in range(kernel_length):
            product = (output_frame + output_offset) * (kernel_frame + kernel_offset)
            if product % input_dilation == 0 and product // input_dilation <= signal_length:
                kernel_frames.append(kernel_frame)
                input_frames.append(product // input_dilation - 1)
        frames.append(FrameTaps(tuple(kernel_frames), tuple(input_frames)))
    return tuple(frames)


@cached_by_shape
def tap_groups(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> TapGroups:
    """Group the output frames that are computed together.

    >>> tap_groups(4, 2, 1, 1, 2, 3)
    TapGroups(groups=(TapGroup(num_outputs=2, kernel_frames=(1,), input_frames=(0, 2)), \
TapGroup(num_outputs=1, kernel_frames=(0, 1), input_frames=(0, 1))), order=(0, 2, 1))
    """
    taps = frame_taps(signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length)
    members: dict[int, list[int]] = {}
    for output_frame, taken in enumerate(taps):
        if taken.kernel_frames:
            members.setdefault(gcd(output_frame + output_offset, input_dilation), []).append(output_frame)
    groups = []
    order = [sum(map(len, members.values()))] * output_length
    placed = 0
    for output_frames in members.values():
        kernel_frames = sorted({k for output_frame in output_frames for k in taps[output_frame].kernel_frames})
        input_frames = []
        for kernel_frame in kernel_frames:
            for output_frame in output_frames:
                taken = taps[output_frame]
                there = kernel_frame in taken.kernel_frames
                place = taken.kernel_frames.index(kernel_frame) if there else 0
                input_frames.append(taken.input_frames[place] if there else signal_length)
        groups.append(TapGroup(len(output_frames), tuple(kernel_frames), tuple(input_frames)))
        for output_frame in output_frames:
            order[output_frame] = placed
            placed += 1
    return TapGroups(tuple(groups), tuple(order))


# Kernel frames are computed together while their shortest slice is at least this fraction of the longest.
_LEAST_FILLED = 0.6


@cached_by_shape
def slice_groups(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
    joined: bool,
) -> tuple[SliceGroup, ...]:
    """Group taps by kernel frame: with k + d = a g, u = b g (lowest terms), outputs t + s = b m read frame a m - 1.

    Args:
        signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length: T, K, s, d, u, T'.
        joined: put kernel frames of the same outputs into one group; otherwise, each kernel frame is a group.

    Returns:
        Groups, those of most outputs first.

    >>> slice_groups(4, 2, 1, 1, 2, 4, False)
    (SliceGroup(first=0, step=1, number=4, slices=(Slice(kernel_frame=1, first=0, step=1, number=4),)), \
SliceGroup(first=1, step=2, number=2, slices=(Slice(kernel_frame=0, first=0, step=1, number=2),)))
    """
    members: dict[tuple[int, int], list[list[Slice]]] = {}
    for kernel_frame in range(kernel_length):
        common = gcd(kernel_frame + kernel_offset, input_dilation)
        output_step, step = input_dilation // common, (kernel_frame + kernel_offset) // common
        begin = -(-output_offset // output_step)
        number = min(signal_length // step, (output_length - 1 + output_offset) // output_step) - begin + 1
        if number < 1:
            continue
        found = Slice(kernel_frame, step * begin - 1, step, number)
        lists = members.setdefault((output_step * begin - output_offset, output_step), [])
        # Slices get shorter with every kernel frame.
        if joined and lists and number >= _LEAST_FILLED * lists[-1][0].number:
            lists[-1].append(found)
        else:
            lists.append([found])
    groups = []
    for (first, output_step), lists in members.items():
        groups += [SliceGroup(first, output_step, slices[0].number, tuple(slices)) for slices in lists]
    return tuple(sorted(groups, key=lambda group: -group.number))
