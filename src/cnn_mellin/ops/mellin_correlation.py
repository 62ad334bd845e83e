"""The Mellin correlation, 1-d and 2-d (linear in frequency), by fast formulations that give the same numbers.

On a CPU, the batch goes through in pieces (`piecewise`): by `slices` of frames, or by matrix `products` for a single
input channel. Elsewhere, for gradients of gradients, and under torch.compile,
torch.export and torch.jit, plain torch operations do it (`plain_formulations`):

- `frames`: an output frame at a time. The input frames that it reads are laid side by side as channels, and one
  convolution along frequency does all its taps: no product with a zero is ever made. For few output frames.
- `spread`: all output frames at once. The kernel is spread over the pairs of input and output frames, with zeros where
  there is no tap, and one convolution along frequency does everything, without a copy of signal or output. For the
  shortest windows, where few pairs have no tap.
- `groups`: output frames that share kernel frames are computed together, from a gathered copy of what they read. There
  are as many groups as the input dilation has divisors, whatever the length. For many output frames.

Which is used follows from the shapes and the device alone (`formulation`), and can be forced for tests.
"""

from __future__ import annotations

from typing import Literal, cast

import torch

from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.lengths import check_mellin_arguments, mellin_valid_length
from cnn_mellin.ops.piecewise import correlate_piecewise
from cnn_mellin.ops.plain_formulations import PlainFormulation, correlate_plainly, plain_formulation

__all__ = ["Formulation", "formulation", "mellin_correlate_1d", "mellin_linear_correlate_2d"]

Formulation = Literal["frames", "groups", "products", "slices", "spread"]

# A product an output frame pays for acoustic models' windows, not for the hundreds of samples of raw audio.
_MOST_PRODUCTS = 16


def formulation(channels: int, geometry: Geometry, device: str = "cpu") -> Formulation:
    """The formulation used, outside torch.compile and the like.

    Args:
        channels: of the signal.
        geometry: of the correlation.
        device: its type.

    >>> geometry = Geometry(10, 3, 1, 1, 2, 10, 1, 1, (1, 1), 81)
    >>> formulation(27, geometry), formulation(1, geometry), formulation(27, geometry, "cuda")
    ('slices', 'products', 'frames')
    """
    if device != "cpu":
        return plain_formulation(*geometry.along_time)
    return "products" if channels == 1 and geometry.output_length <= _MOST_PRODUCTS else "slices"


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
    coefficients = (signal.size(3) + sum(padding) - dilation * (kernel.size(3) - 1) - 1) // stride + 1
    geometry = Geometry(
        signal.size(2),
        kernel.size(2),
        output_offset,
        kernel_offset,
        input_dilation,
        output_length,
        stride,
        dilation,
        (padding[0], padding[1]),
        max(coefficients, 0),
    )
    shape = (signal.size(0), kernel.size(0), output_length, geometry.output_width)
    if 0 in shape or 0 in signal.shape:
        # Nothing to compute, but gradients of zero to give: a sum over no element is 0, whatever the values are.
        inputs = [signal, kernel] if bias is None else [signal, kernel, bias]
        out = sum(tensor.flatten()[:0].sum() for tensor in inputs) + signal.new_zeros(shape)
        return out if bias is None else out + bias.view(-1, 1, 1)
    if formulated_as is None:
        plainly = torch.compiler.is_compiling() or torch.jit.is_tracing()
        formulated_as = formulation(signal.size(1), geometry, "" if plainly else signal.device.type)
    if formulated_as in ("products", "slices"):
        return correlate_piecewise(signal, kernel, bias, geometry, formulated_as)
    return correlate_plainly(signal, kernel, bias, geometry, cast(PlainFormulation, formulated_as))


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
