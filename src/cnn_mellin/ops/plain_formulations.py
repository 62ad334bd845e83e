"""Formulations of the Mellin correlation in plain torch operations, for every device and function transform.

- `per_frame`: one convolution along frequency per output frame. The input frames that it reads are concatenated as
  channels (im2col along time), so no product with a zero is ever computed. For few output frames.
- `dense`: one convolution along frequency for all output frames. The kernel is spread over all pairs of input and
  output frames, with zeros where there is no tap; neither signal nor output is copied. For the shortest windows, where
  few pairs have no tap, and on accelerators for kernels that are as long as the signal.
- `joint_gather`: one convolution for all output frames, from one gathered copy of the frames that they read, with zeros
  where there is no tap. On accelerators, where an operation costs more to launch than a product with zero to compute.
- `gather`: one convolution per group of output frames that share their kernel frames, from a gathered copy of the input
  frames that they read. There are at most as many groups as the input dilation has divisors, whatever the length. For
  many output frames.
- `dynamic_gather`: as `gather`, but the program itself computes which input frames to gather, so that one program
  serves every length. For dynamic lengths under torch.compile and torch.export.

All take signal (N, C, T, F), kernel (O, C, K, W), an optional bias (O,), the geometry, and the padding on either side,
and return (N, O, T', F').
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch.nn.functional import conv1d

from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.dynamic_gather import correlate_dynamically
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.index_plan import frame_taps, tap_groups
from cnn_mellin.ops.shape_cache import cached_by_shape
from cnn_mellin.ops.tracing import is_traced

__all__ = [
    "PLAIN_FORMULATIONS",
    "PlainName",
    "choose_accelerator_formulation",
    "choose_plain_formulation",
    "correlate_plainly",
]

PlainName = Literal["dense", "dynamic_gather", "gather", "joint_gather", "per_frame"]

# Windows of acoustic models have few frames, raw audio hundreds; in between, one call per frame costs as much as
# gathering.
_MOST_SINGLE_FRAMES = 16
# Products with zeros cost less than the copies they save, up to about this many pairs per tap.
_MOST_PAIRS_PER_TAP = 1.8
# Longest signal that is always convolved whole on an accelerator.
_MOST_DENSE_FRAMES = 16


@cached_by_shape
def choose_plain_formulation(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> PlainName:
    """Choose the plain formulation for a shape; the arguments are those of `frame_taps`.

    >>> [choose_plain_formulation(length, 2, 1, 1, 1, length) for length in (2, 10, 400)]
    ['dense', 'per_frame', 'gather']
    """
    if output_length > _MOST_SINGLE_FRAMES:
        return "gather"
    taps = frame_taps(signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length)
    num_taps = sum([len(frame.kernel_frames) for frame in taps])
    return "dense" if signal_length * output_length <= _MOST_PAIRS_PER_TAP * num_taps else "per_frame"


def choose_accelerator_formulation(signal_length: int, kernel_length: int) -> PlainName:
    """Choose between the two formulations of a single convolution.

    For each output frame, `dense` multiplies every frame of the signal, `joint_gather` every frame of the kernel, of
    which it copies the signal's frames. Both make the same few operations for every length. In short windows the copy
    costs more than the products with zero (docs/accelerators.md has the times).

    Args:
        signal_length, kernel_length: frames of signal and kernel.

    >>> choose_accelerator_formulation(10, 3), choose_accelerator_formulation(40, 3)
    ('dense', 'joint_gather')
    """
    return "dense" if signal_length <= max(kernel_length, _MOST_DENSE_FRAMES) else "joint_gather"


def correlate_plainly(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    formulation: PlainName | None = None,
) -> torch.Tensor:
    """Correlate by a plain formulation: the given one, or the one chosen for the shape."""
    formulation = formulation or choose_plain_formulation(*geometry.along_time)
    correlate = PLAIN_FORMULATIONS[formulation]
    left, right = geometry.padding
    if left != right and formulation != "joint_gather":  # which pads time and frequency at once
        signal, left = torch.nn.functional.pad(signal, geometry.padding), 0
    return correlate(signal, kernel, bias, geometry, left)


def _correlate_per_frame(
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


def _correlate_densely(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    padding: int,
) -> torch.Tensor:
    num_outputs, channels, _, width = kernel.shape
    shape = (num_outputs, geometry.output_length, channels, geometry.signal_length, width)
    places, met = _indices(_kernel_frames_of_pairs, geometry.along_time, signal)
    spread = kernel.unsqueeze(1).expand(-1, geometry.output_length, -1, -1, -1).gather(3, places.expand(shape))
    weight = (spread * met).flatten(2, 3).flatten(0, 1)
    repeated_bias = None if bias is None else bias.repeat_interleave(geometry.output_length)
    out = conv1d(signal.flatten(1, 2), weight, repeated_bias, geometry.stride, padding, geometry.dilation)
    by_output: torch.Tensor = out.unflatten(1, (-1, geometry.output_length))
    return by_output


def _correlate_by_joint_gather(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    _: int,
) -> torch.Tensor:
    places = _indices(_input_frames_of_pairs, geometry.along_time, signal)
    left, right = geometry.padding
    around = (0, 0) if left == right else (left, right)
    signal = torch.nn.functional.pad(signal, (*around, 0, 1))  # the frame past the end is a zero to read
    padding = left if left == right else 0
    gathered = signal.index_select(2, places).unflatten(2, (-1, geometry.output_length)).flatten(1, 2)
    along_frequency = ((1, geometry.stride), (0, padding), (1, geometry.dilation))
    return torch.nn.functional.conv2d(gathered, kernel.flatten(1, 2).unsqueeze(2), bias, *along_frequency)


def _correlate_by_gather(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    padding: int,
) -> torch.Tensor:
    indices, order = _indices(_frames_of_groups, geometry.along_time, signal)
    along_frequency = ((1, geometry.stride), (0, padding), (1, geometry.dilation))
    signal = torch.nn.functional.pad(signal, (0, 0, 0, 1))  # the frame past the end is a zero to read
    outputs = []
    for group, (kernel_frames, input_frames) in zip(tap_groups(*geometry.along_time).groups, indices, strict=True):
        # In the gathered copy and the weights, kernel frames are concatenated as channels. No size of a tensor is asked
        # for, so that the shape of the weights is constant in a trace, as ONNX needs it.
        gathered = signal.index_select(2, input_frames).unflatten(2, (len(group.kernel_frames), group.num_outputs))
        read, weight = gathered.flatten(1, 2), kernel.index_select(2, kernel_frames).flatten(1, 2).unsqueeze(2)
        outputs.append(torch.nn.functional.conv2d(read, weight, None, *along_frequency))
    dtype = autocast_type(signal)
    no_taps = signal.new_zeros(signal.size(0), kernel.size(0), 1, geometry.output_width, dtype=dtype)
    outputs.append(no_taps)
    out = torch.cat(outputs, 2).index_select(2, order)
    return out if bias is None else out + bias.to(dtype).view(-1, 1, 1)


Indices = TypeVar("Indices")
_IndexPairs = list[tuple[torch.Tensor, torch.Tensor]]


def _indices(
    make: Callable[[tuple[int, ...], torch.device], Indices], key: tuple[int, ...], signal: torch.Tensor
) -> Indices:
    """Index tensors for the arguments of the index plans, kept on the signal's device."""
    if is_traced(signal):
        return make(key, signal.device)  # constants of the recorded program
    found: Indices = _cached_indices(make, key, signal.device)  # type: ignore[assignment]
    return found


@cached_by_shape
def _cached_indices(
    make: Callable[[tuple[int, ...], torch.device], object], key: tuple[int, ...], device: torch.device
) -> object:
    with torch.inference_mode(False):  # tensors made during inference must serve training, too
        return make(key, device)


def _frames_of_groups(key: tuple[int, ...], device: torch.device) -> tuple[_IndexPairs, torch.Tensor]:
    """Kernel and input frames of each tap group, and the order of their outputs."""
    plan = tap_groups(*key)
    pairs = []
    for group in plan.groups:
        kernel_frames = torch.tensor(group.kernel_frames, device=device)
        pairs.append((kernel_frames, torch.tensor(group.input_frames, device=device)))
    return pairs, torch.tensor(plan.order, device=device)


def _input_frames_of_pairs(key: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Input frame of every pair of kernel frame and output frame (K, T'), flat; the frame past the end if no tap."""
    signal_length, kernel_length = key[:2]
    places = [[signal_length] * key[-1] for _ in range(kernel_length)]
    for output_frame, taps in enumerate(frame_taps(*key)):
        for kernel_frame, input_frame in zip(taps.kernel_frames, taps.input_frames, strict=True):
            places[kernel_frame][output_frame] = input_frame
    return torch.tensor(sum(places, []), device=device)


def _kernel_frames_of_pairs(key: tuple[int, ...], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernel frame of every pair of output frame and input frame (T', 1, T, 1), and whether there is one."""
    signal_length, kernel_length = key[:2]
    places = []
    for taps in frame_taps(*key):
        read_by = dict(zip(taps.input_frames, taps.kernel_frames, strict=True))
        places.append([read_by.get(input_frame, kernel_length) for input_frame in range(signal_length)])
    frames = torch.tensor(places, device=device).view(-1, 1, signal_length, 1)
    return frames.clamp(max=kernel_length - 1), frames < kernel_length


PLAIN_FORMULATIONS: dict[
    PlainName, Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None, Geometry, int], torch.Tensor]
] = {
    "dense": _correlate_densely,
    "dynamic_gather": correlate_dynamically,
    "gather": _correlate_by_gather,
    "joint_gather": _correlate_by_joint_gather,
    "per_frame": _correlate_per_frame,
}
