"""The Mellin correlation, 1-d and 2-d (linear in frequency), by fast formulations.

Three formulations give the same numbers:

- `frames`: an output frame at a time. The input frames that it reads are laid side by side as channels, and one
  convolution along frequency does all its taps: no product with a zero is ever made. Best for few output frames.
- `spread`: all output frames at once. The kernel is spread over the pairs of input and output frames, with zeros where
  there is no tap, and one convolution along frequency does everything, without a copy of signal or output. Best for
  the shortest windows, where few pairs have no tap.
- `groups`: output frames that share kernel frames are computed together, from a gathered copy of what they read.
  There are as many groups as the input dilation has divisors, whatever the length. Best for many output frames.

Which is used follows from the shapes alone (`formulation`), and can be forced for tests.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from cnn_mellin.ops.index_plan import frame_taps, tap_groups
from cnn_mellin.ops.lengths import check_mellin_arguments, mellin_valid_length
from cnn_mellin.ops.shape_cache import cached_by_shape

__all__ = ["Formulation", "formulation", "mellin_correlate_1d", "mellin_linear_correlate_2d"]

Formulation = Literal["frames", "groups", "spread"]

# Windows of acoustic models have few frames, raw audio hundreds; in between, a call a frame costs what gathering does.
_MOST_SINGLE_FRAMES = 16
# A product with a zero costs less than the copies it saves, up to about this many pairs a tap.
_MOST_PAIRS_A_TAP = 1.8


def formulation(signal_length: int, output_length: int, num_taps: int) -> Formulation:
    """The formulation used.

    Args:
        signal_length, output_length: frames.
        num_taps: pairs of an output and a kernel frame that read a frame of the signal.

    >>> formulation(4, 4, 9), formulation(10, 10, 20), formulation(400, 400, 900)
    ('spread', 'frames', 'groups')
    """
    if output_length > _MOST_SINGLE_FRAMES:
        return "groups"
    return "spread" if signal_length * output_length <= _MOST_PAIRS_A_TAP * num_taps else "frames"


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
        # Nothing to compute, but gradients of zero to give: a sum over no element is 0, whatever the values are.
        inputs = [signal, kernel] if bias is None else [signal, kernel, bias]
        out = sum(tensor.flatten()[:0].sum() for tensor in inputs) + signal.new_zeros(shape)
        return out if bias is None else out + bias.view(-1, 1, 1)
    if padding[0] == padding[1]:
        convolution = {"stride": (1, stride), "dilation": (1, dilation), "padding": (0, padding[0])}
    else:
        signal = torch.nn.functional.pad(signal, padding)
        convolution = {"stride": (1, stride), "dilation": (1, dilation), "padding": (0, 0)}
    if formulated_as is None:
        formulated_as = _chosen(signal.size(2), kernel.size(2), *offsets, output_length)
    correlate = {"frames": _correlate_frames, "groups": _correlate_groups, "spread": _correlate_spread}
    return correlate[formulated_as](signal, kernel, bias, offsets, shape, convolution)


@cached_by_shape
def _chosen(
    signal_length: int,
    kernel_length: int,
    output_offset: int,
    kernel_offset: int,
    input_dilation: int,
    output_length: int,
) -> Formulation:
    taps = frame_taps(signal_length, kernel_length, output_offset, kernel_offset, input_dilation, output_length)
    return formulation(signal_length, output_length, sum([len(frame.kernel_frames) for frame in taps]))


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


def _correlate_spread(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    offsets: tuple[int, int, int],
    shape: tuple[int, ...],
    convolution: dict[str, Any],
) -> torch.Tensor:
    num_outputs, channels, kernel_length, width = kernel.shape
    missing = torch.zeros_like(kernel[:, :, 0])
    kernel_frames = [*kernel.unbind(2), missing]
    blocks = []
    for taps in frame_taps(signal.size(2), kernel_length, *offsets, shape[2]):
        read_by = dict(zip(taps.input_frames, taps.kernel_frames, strict=True))
        frames = [kernel_frames[read_by.get(i, kernel_length)] for i in range(signal.size(2))]
        blocks.append(torch.stack(frames, 2))  # (O, C, input frame, W)
    weight = torch.stack(blocks, 1).view(num_outputs * shape[2], channels * signal.size(2), width)
    axis = {name: pair[1] for name, pair in convolution.items()}
    spread_bias = None if bias is None else bias.repeat_interleave(shape[2])
    out = torch.nn.functional.conv1d(signal.flatten(1, 2), weight, spread_bias, **axis)
    return out.unflatten(1, (num_outputs, shape[2]))


def _correlate_groups(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    offsets: tuple[int, int, int],
    shape: tuple[int, ...],
    convolution: dict[str, Any],
) -> torch.Tensor:
    key = (signal.size(2), kernel.size(2), *offsets, shape[2])
    indices, order = _group_indices(key, signal.device)
    signal = torch.nn.functional.pad(signal, (0, 0, 0, 1))  # the frame past the end is the zero that groups read
    outputs = []
    for group, (kernel_frames, input_frames) in zip(tap_groups(*key).groups, indices, strict=True):
        size = signal.size(1) * len(group.kernel_frames)
        # The gathered copy and the weights have their kernel frames beside the channels.
        read = signal.index_select(2, input_frames).view(shape[0], size, group.num_outputs, signal.size(3))
        weight = kernel.index_select(2, kernel_frames).reshape(shape[1], size, 1, kernel.size(3))
        outputs.append(torch.nn.functional.conv2d(read, weight, **convolution))
    dtype = outputs[0].dtype if outputs else signal.dtype
    outputs.append(signal.new_zeros(shape[0], shape[1], 1, shape[3], dtype=dtype))  # for frames without a tap
    out = torch.cat(outputs, 2).index_select(2, order)
    return out if bias is None else out + bias.to(dtype).view(-1, 1, 1)


_IndexPairs = list[tuple[torch.Tensor, torch.Tensor]]
_KNOWN_INDICES: dict[tuple[Any, ...], tuple[_IndexPairs, torch.Tensor]] = {}


def _group_indices(key: tuple[int, ...], device: torch.device) -> tuple[_IndexPairs, torch.Tensor]:
    """Kernel and input frames of each tap group, and the order of their outputs, as tensors on a device."""
    if torch.compiler.is_compiling():
        return _new_group_indices(key, device)  # they become constants of the compiled program
    place = (*key, device)
    if place not in _KNOWN_INDICES:
        with torch.inference_mode(False):  # what is made for inference must serve training, too
            _KNOWN_INDICES[place] = _new_group_indices(key, device)
    return _KNOWN_INDICES[place]


def _new_group_indices(key: tuple[int, ...], device: torch.device) -> tuple[_IndexPairs, torch.Tensor]:
    plan = tap_groups(*key)
    pairs = []
    for group in plan.groups:
        kernel_frames = torch.tensor(group.kernel_frames, device=device)
        pairs.append((kernel_frames, torch.tensor(group.input_frames, device=device)))
    return pairs, torch.tensor(plan.order, device=device)


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
