"""Formulations of the Mellin correlation in plain torch operations, for every device and transformation.

All take signal (N, C, T, F), kernel (O, C, K, W), bias (O,) or none, and the geometry, and give (N, O, T', F').
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch.nn.functional import conv1d

from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import frame_taps, tap_groups
from cnn_mellin.ops.residues import correlate_residues
from cnn_mellin.ops.shape_cache import cached_by_shape
from cnn_mellin.ops.tracing import is_traced

__all__ = ["PLAIN_FORMULATIONS", "PlainFormulation", "correlate_plainly", "plain_formulation"]

PlainFormulation = Literal["frames", "groups", "residues", "spread"]

# Windows of acoustic models have few frames, raw audio hundreds; in between, a call a frame costs what gathering does.
_MOST_SINGLE_FRAMES = 16
# A product with a zero costs less than the copies it saves, up to about this many pairs a tap.
_MOST_PAIRS_A_TAP = 1.8


@cached_by_shape
def plain_formulation(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> PlainFormulation:
    """The plain formulation that suits a shape; arguments as of `frame_taps`.

    >>> [plain_formulation(length, 2, 1, 1, 1, length) for length in (2, 10, 400)]
    ['spread', 'frames', 'groups']
    """
    if output_length > _MOST_SINGLE_FRAMES:
        return "groups"
    taps = frame_taps(signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length)
    num_taps = sum([len(frame.kernel_frames) for frame in taps])
    return "spread" if signal_length * output_length <= _MOST_PAIRS_A_TAP * num_taps else "frames"


def correlate_plainly(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    formulated_as: PlainFormulation | None = None,
) -> torch.Tensor:
    """Correlate by the plain formulation that suits the shapes, or by a given one."""
    correlate = PLAIN_FORMULATIONS[formulated_as or plain_formulation(*geometry.along_time)]
    left, right = geometry.padding
    if left != right:
        signal, left = torch.nn.functional.pad(signal, geometry.padding), 0
    return correlate(signal, kernel, bias, geometry, left)


def _correlate_frames(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    padding: int,
) -> torch.Tensor:
    input_frames, kernel_frames = signal.unbind(2), kernel.unbind(2)
    empty = None
    outputs = []
    for taps in frame_taps(*geometry.along_time):
        if not taps.kernel_frames:
            if empty is None:
                shape = (signal.size(0), kernel.size(0), geometry.output_width)
                empty = signal.new_zeros(shape, dtype=autocast_type(signal))
                empty = empty if bias is None else empty + bias.to(empty.dtype).view(-1, 1)
            outputs.append(empty)
            continue
        read = torch.cat([input_frames[i] for i in taps.input_frames], 1)
        weight = torch.cat([kernel_frames[k] for k in taps.kernel_frames], 1)
        outputs.append(conv1d(read, weight, bias, geometry.stride, padding, geometry.dilation))
    return torch.stack(outputs, 2)


def _correlate_spread(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    padding: int,
) -> torch.Tensor:
    num_outputs, channels, kernel_length, width = kernel.shape
    missing = torch.zeros_like(kernel[:, :, 0])
    kernel_frames = [*kernel.unbind(2), missing]
    blocks = []
    for taps in frame_taps(*geometry.along_time):
        read_by = dict(zip(taps.input_frames, taps.kernel_frames, strict=True))
        frames = [kernel_frames[read_by.get(i, kernel_length)] for i in range(signal.size(2))]
        blocks.append(torch.stack(frames, 2))  # (O, C, input frame, W)
    weight = torch.stack(blocks, 1).view(num_outputs * geometry.output_length, channels * signal.size(2), width)
    spread_bias = None if bias is None else bias.repeat_interleave(geometry.output_length)
    out = conv1d(signal.flatten(1, 2), weight, spread_bias, geometry.stride, padding, geometry.dilation)
    return out.unflatten(1, (num_outputs, geometry.output_length))


def _correlate_groups(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    padding: int,
) -> torch.Tensor:
    indices, order = _group_indices(geometry.along_time, signal)
    along_frequency = ((1, geometry.stride), (0, padding), (1, geometry.dilation))
    signal = torch.nn.functional.pad(signal, (0, 0, 0, 1))  # the frame past the end is the zero that groups read
    outputs = []
    for group, (kernel_frames, input_frames) in zip(tap_groups(*geometry.along_time).groups, indices, strict=True):
        size = signal.size(1) * len(group.kernel_frames)
        # The gathered copy and the weights have their kernel frames beside the channels.
        read = signal.index_select(2, input_frames).view(signal.size(0), size, group.num_outputs, signal.size(3))
        weight = kernel.index_select(2, kernel_frames).reshape(kernel.size(0), size, 1, kernel.size(3))
        outputs.append(torch.nn.functional.conv2d(read, weight, None, *along_frequency))
    dtype = autocast_type(signal)
    no_taps = signal.new_zeros(signal.size(0), kernel.size(0), 1, geometry.output_width, dtype=dtype)
    outputs.append(no_taps)
    out = torch.cat(outputs, 2).index_select(2, order)
    return out if bias is None else out + bias.to(dtype).view(-1, 1, 1)


_IndexPairs = list[tuple[torch.Tensor, torch.Tensor]]


def _group_indices(key: tuple[int, ...], signal: torch.Tensor) -> tuple[_IndexPairs, torch.Tensor]:
    """Kernel and input frames of each tap group, and the order of their outputs, as tensors on a signal's device."""
    if is_traced(signal):
        return _new_group_indices(key, signal.device)  # they become constants of the program that is recorded
    return _kept_group_indices(key, signal.device)


@cached_by_shape
def _kept_group_indices(key: tuple[int, ...], device: torch.device) -> tuple[_IndexPairs, torch.Tensor]:
    with torch.inference_mode(False):  # what is made for inference must serve training, too
        return _new_group_indices(key, device)


def _new_group_indices(key: tuple[int, ...], device: torch.device) -> tuple[_IndexPairs, torch.Tensor]:
    plan = tap_groups(*key)
    pairs = []
    for group in plan.groups:
        kernel_frames = torch.tensor(group.kernel_frames, device=device)
        pairs.append((kernel_frames, torch.tensor(group.input_frames, device=device)))
    return pairs, torch.tensor(plan.order, device=device)


PLAIN_FORMULATIONS: dict[
    PlainFormulation, Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, Geometry, int], torch.Tensor]
] = {
    "frames": _correlate_frames,
    "groups": _correlate_groups,
    "residues": correlate_residues,
    "spread": _correlate_spread,
}
