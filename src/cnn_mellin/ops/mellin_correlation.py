"""The Mellin correlation, 1-d and 2-d (linear in frequency), by fast formulations.

Two formulations give the same numbers:

- `frames`: an output frame at a time. The input frames that it reads are laid side by side as channels, and one
  convolution along frequency does all its taps: no product with a zero is ever made. Best for few output frames.
- `groups`: output frames that share kernel frames are computed together, from a gathered copy of what they read.
  There are as many groups as the input dilation has divisors, whatever the length. Best for many output frames.

Which is used follows from the output length alone (`formulation`), and can be forced for tests.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from cnn_mellin.ops.index_plan import frame_taps, tap_groups
from cnn_mellin.ops.lengths import check_mellin_arguments, mellin_valid_length
from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["Formulation", "formulation", "mellin_correlate_1d", "mellin_linear_correlate_2d"]

Formulation = Literal["frames", "groups"]

# A convolution costs about as much to start as to gather a few frames; docs/benchmarks.md has the measurements.
_MOST_SINGLE_FRAMES = 16


def formulation(output_length: int) -> Formulation:
    """The formulation used for an output of so many frames.

    >>> formulation(5), formulation(400)
    ('frames', 'groups')
    """
    return "frames" if output_length <= _MOST_SINGLE_FRAMES else "groups"


def mellin_correlate_1d(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: int = 1,
    kernel_offset: int = 1,
    input_dilation: int = 1,
    output_length: int | None = None,
) -> torch.Tensor:
    """Mellin correlation along time: out[t] = sum_k kernel[k] signal[(t + s)(k + d) / u - 1].

    Terms whose index is not whole, or lies outside the signal, are zero.

    Args:
        signal: (N, C, T).
        kernel: (O, C, K).
        bias: (O,), added to every output.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default those whose every term lies inside the signal.

    Returns:
        (N, O, output_length).

    Raises:
        ValueError: shapes do not fit, or an argument is too small.

    >>> mellin_correlate_1d(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.tensor([[[1.0, 10.0]]]))
    tensor([[[21., 42.]]])
    """
    _check_shapes(signal, kernel, bias, ("N", "C", "T"), ("O", "C", "K"))
    return mellin_linear_correlate_2d(
        signal.unsqueeze(3),
        kernel.unsqueeze(3),
        bias,
        output_offset=output_offset,
        kernel_offset=kernel_offset,
        input_dilation=input_dilation,
        output_length=output_length,
    ).squeeze(3)


def mellin_linear_correlate_2d(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: int = 1,
    kernel_offset: int = 1,
    input_dilation: int = 1,
    output_length: int | None = None,
    stride: int = 1,
    dilation: int = 1,
    padding: tuple[int, int] = (0, 0),
    formulated_as: Formulation | None = None,
) -> torch.Tensor:
    """Mellin correlation along time, ordinary correlation along frequency.

    out[t, f] = sum_k,w kernel[k, w] signal[(t + s)(k + d) / u - 1, stride f + dilation w - left]

    Args:
        signal: (N, C, T, F).
        kernel: (O, C, K, W).
        bias: (O,), added to every output.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default those whose every term lies inside the signal.
        stride, dilation: of the frequency axis, >= 1.
        padding: zeros left and right of the frequency axis, >= 0.
        formulated_as: force a formulation.

    Returns:
        (N, O, output_length, F') with F' = (F + left + right - dilation (W - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes do not fit, or an argument is too small.

    >>> mellin_linear_correlate_2d(torch.ones(1, 1, 4, 3), torch.ones(1, 1, 2, 2)).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    _check_shapes(signal, kernel, bias, ("N", "C", "T", "F"), ("O", "C", "K", "W"))
    check_mellin_arguments(signal.size(2), kernel.size(2), output_offset, kernel_offset, input_dilation)
    for name, value, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", min(padding), 0)):
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
    offsets = (output_offset, kernel_offset, input_dilation)
    if output_length is None:
        output_length = mellin_valid_length(
            signal.size(2),
            kernel.size(2),
            output_offset=output_offset,
            kernel_offset=kernel_offset,
            input_dilation=input_dilation,
        )
    if output_length < 0:
        raise ValueError(f"output_length is {output_length}; it must be at least 0")
    freqs = (signal.size(3) + sum(padding) - dilation * (kernel.size(3) - 1) - 1) // stride + 1
    shape = (signal.size(0), kernel.size(0), output_length, max(freqs, 0))
    if 0 in shape or 0 in signal.shape:
        # Nothing to compute, but gradients of zero to give.
        empty = signal.sum() + kernel.sum() if bias is None else signal.sum() + kernel.sum() + bias.sum()
        out = (empty * 0).expand(shape)
        return out if bias is None else out + bias.view(-1, 1, 1)
    if padding[0] == padding[1]:
        convolution = {"stride": (1, stride), "dilation": (1, dilation), "padding": (0, padding[0])}
    else:
        signal = torch.nn.functional.pad(signal, padding)
        convolution = {"stride": (1, stride), "dilation": (1, dilation), "padding": (0, 0)}
    correlate = {"frames": _correlate_frames, "groups": _correlate_groups}
    return correlate[formulated_as or formulation(output_length)](signal, kernel, bias, offsets, shape, convolution)


def _correlate_frames(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    offsets: tuple[int, int, int],
    shape: tuple[int, ...],
    convolution: dict[str, Any],
) -> torch.Tensor:
    input_frames, kernel_frames = signal.unbind(2), kernel.unbind(2)
    empty = None
    outputs = []
    for taps in frame_taps(signal.size(2), kernel.size(2), *offsets, shape[2]):
        if not taps.kernel_frames:
            if empty is None:
                empty = signal.new_zeros(shape[0], shape[1], shape[3])
                empty = empty if bias is None else empty + bias.view(-1, 1)
            outputs.append(empty)
            continue
        read = torch.cat([input_frames[i] for i in taps.input_frames], 1)
        weight = torch.cat([kernel_frames[k] for k in taps.kernel_frames], 1)
        axis = {name: pair[1] for name, pair in convolution.items()}
        outputs.append(torch.nn.functional.conv1d(read, weight, bias, **axis))
    return torch.stack(outputs, 2)


def _correlate_groups(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    offsets: tuple[int, int, int],
    shape: tuple[int, ...],
    convolution: dict[str, Any],
) -> torch.Tensor:
    signal = torch.nn.functional.pad(signal, (0, 0, 0, 1))  # the frame past the end is the zero that groups read
    outputs, channels = [], signal.size(1)
    plan, order = _group_indices(signal.size(2) - 1, kernel.size(2), *offsets, shape[2], str(signal.device))
    for kernel_frames, input_frames, count in plan:
        read = signal.index_select(2, input_frames)
        read = read.view(shape[0], channels * len(kernel_frames), count, signal.size(3))
        weight = kernel.index_select(2, kernel_frames).reshape(shape[1], channels * len(kernel_frames), 1, -1)
        outputs.append(torch.nn.functional.conv2d(read, weight, **convolution))
    outputs.append(signal.new_zeros(shape[0], shape[1], 1, shape[3]))  # what frames without a tap show
    out = torch.cat(outputs, 2).index_select(2, order)
    return out if bias is None else out + bias.view(-1, 1, 1)


@cached_by_shape
def _group_indices(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
    device: str,
) -> tuple[list[tuple[torch.Tensor, torch.Tensor, int]], torch.Tensor]:
    """Tap groups as indices on a device, and where in the groups' joint output each output frame lies."""
    plan, place = [], dict[int, int]()
    groups = tap_groups(signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length)
    for group in groups:
        for output_frame in group.output_frames:
            place[output_frame] = len(place)
        # (kernel frame, output frame), so that the gathered copy has the kernel frames beside the channels
        input_frames = torch.tensor(group.input_frames).T.reshape(-1)
        kernel_frames = torch.tensor(group.kernel_frames)
        plan.append((kernel_frames.to(device), input_frames.to(device), len(group.output_frames)))
    order = torch.tensor([place.get(output_frame, len(place)) for output_frame in range(output_length)])
    return plan, order.to(device)


def _check_shapes(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    signal_axes: tuple[str, ...],
    kernel_axes: tuple[str, ...],
) -> None:
    for name, tensor, axes in (("signal", signal, signal_axes), ("kernel", kernel, kernel_axes)):
        if tensor.dim() != len(axes):
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}; it must be ({', '.join(axes)})")
    if signal.size(1) != kernel.size(1):
        raise ValueError(f"kernel has {kernel.size(1)} input channels; signal has {signal.size(1)}")
    if 0 in kernel.shape[1:]:
        raise ValueError(f"kernel has shape {tuple(kernel.shape)}; no axis may be empty")
    if bias is not None and bias.shape != kernel.shape[:1]:
        raise ValueError(f"bias has shape {tuple(bias.shape)}; it must be ({kernel.size(0)},), one an output channel")
