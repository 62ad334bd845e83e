"""The Mellin correlation, 1-d and 2-d (linear in frequency), by fast formulations that give the same numbers.

On a CPU, the batch goes through in pieces (`piecewise`): by `planes` for kernels of one coefficient, as in 1-d, by
matrix `products` for a single input channel, by `spectra` for wide kernels, else by `slices` of frames. Elsewhere, for
gradients of gradients, and under torch.compile, torch.export and torch.jit, plain torch operations do it
(`plain_formulations`):

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

from cnn_mellin.ops import spectra
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.lengths import check_mellin_arguments, mellin_valid_length
from cnn_mellin.ops.piecewise import autocast_type, correlate_piecewise
from cnn_mellin.ops.plain_formulations import PlainFormulation, correlate_plainly, plain_formulation

__all__ = ["Formulation", "formulation", "mellin_correlate_1d", "mellin_linear_correlate_2d"]

Formulation = Literal["frames", "groups", "planes", "products", "slices", "spectra", "spread"]

# A product an output frame pays for acoustic models' windows, not for the hundreds of samples of raw audio.
_MOST_PRODUCTS = 16


def formulation(
    kernel: tuple[int, ...],
    coefficients: int,
    geometry: Geometry,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Formulation:
    """The formulation used, outside torch.compile and the like.

    Args:
        kernel: its shape, (O, C, K, W).
        coefficients: of the signal, F.
        geometry: of the correlation.
        device: its type.
        dtype: in which it is computed. `spectra` needs single precision, where convolutions may gain from less.

    >>> geometry = Geometry(10, 3, 1, 1, 2, 10, 1, 1, (1, 1), 81)
    >>> [formulation((27, channels, 3, 3), 81, geometry) for channels in (1, 27)]
    ['products', 'slices']
    >>> formulation((27, 27, 3, 9), 81, geometry), formulation((27, 27, 3, 3), 81, geometry, "cuda")
    ('spectra', 'frames')
    >>> formulation((27, 27, 3, 1), 81, geometry._replace(padding=(0, 0)))
    'planes'
    """
    if device != "cpu":
        return plain_formulation(*geometry.along_time)
    if _is_pointwise(kernel, geometry):
        return "planes"
    if kernel[1] == 1 and geometry.output_length <= _MOST_PRODUCTS:
        return "products"
    wide = dtype in (torch.float32, torch.float64) and spectra.pays(kernel, coefficients, geometry)
    return "spectra" if wide else "slices"


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
        ValueError: shapes do not fit, or an argument is too small, or a formulation is not for them.

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
        device = "" if plainly else signal.device.type
        formulated_as = formulation(kernel.shape, signal.size(3), geometry, device, autocast_type(signal))
    if formulated_as == "planes" and not _is_pointwise(kernel.shape, geometry):
        width = f"kernel has {kernel.size(3)} coefficients, stride is {stride}, padding {padding}"
        raise ValueError(f"formulated_as is planes, but {width}; it is for kernels of 1, stride 1, padding (0, 0)")
    if formulated_as in ("planes", "products", "slices", "spectra"):
        return correlate_piecewise(signal, kernel, bias, geometry, formulated_as)
    return correlate_plainly(signal, kernel, bias, geometry, cast(PlainFormulation, formulated_as))


def _is_pointwise(kernel: tuple[int, ...], geometry: Geometry) -> bool:
    return (kernel[3], geometry.stride, geometry.padding) == (1, 1, (0, 0))


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
