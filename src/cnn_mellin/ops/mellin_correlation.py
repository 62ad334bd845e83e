"""The Mellin correlation, 1-d and 2-d (linear in frequency), by fast formulations that give the same numbers.

On a CPU the batch is correlated in pieces (`piecewise`): `pointwise` for kernels of one coefficient, as in 1-d,
`im2col` for a single input channel, `dft` for wide kernels, otherwise `per_tap`. On other devices, for gradients of
gradients, for complex numbers, and under torch.compile, torch.export and torch.jit, plain torch operations are used
(`plain_formulations`): on accelerators the few of `joint_gather` or `dense`, otherwise `per_frame`, `dense`, `gather`
or `dynamic_gather`.

Shapes, dtype and device decide which one is used (`choose_formulation`); tests and benchmarks can force one
(`correlate_by_formulation`).
"""

from __future__ import annotations

from typing import Literal, cast

import torch

from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.dft import is_dft_faster
from cnn_mellin.ops.geometry import Geometry, geometry_of
from cnn_mellin.ops.piecewise import PIECEWISE_FORMULATIONS, correlate_piecewise
from cnn_mellin.ops.plain_formulations import (
    PlainName,
    choose_accelerator_formulation,
    choose_plain_formulation,
    correlate_plainly,
)
from cnn_mellin.ops.sizes import Size, Sizes
from cnn_mellin.ops.tensor_checks import check_tensors
from cnn_mellin.ops.tracing import is_symbolic, is_traced

__all__ = [
    "Formulation",
    "choose_formulation",
    "correlate_by_formulation",
    "mellin_correlate_1d",
    "mellin_linear_correlate_2d",
]

Formulation = Literal[
    "dense", "dft", "dynamic_gather", "gather", "im2col", "joint_gather", "per_frame", "per_tap", "pointwise"
]

# One product per output frame pays for the windows of acoustic models, not for the hundreds of samples of raw audio.
_MOST_PRODUCTS = 16


def choose_formulation(
    kernel: tuple[int, ...],
    coefficients: int,
    geometry: Geometry,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Formulation:
    """Choose the formulation for a shape, outside torch.compile and other tracing.

    Args:
        kernel: shape of the kernel, (O, C, K, W).
        coefficients: coefficients of the signal, F.
        geometry: geometry of the correlation.
        device: type of the device; "" for complex numbers.
        dtype: dtype of the computation. `dft` needs at least single precision, whereas convolutions may be faster in
            half precision.

    >>> geometry = Geometry(10, 3, 1, 1, 2, 10, 1, 1, (1, 1), 81)
    >>> [choose_formulation((27, channels, 3, 3), 81, geometry) for channels in (1, 27)]
    ['im2col', 'per_tap']
    >>> choose_formulation((27, 27, 3, 9), 81, geometry), choose_formulation((27, 27, 3, 3), 81, geometry, "cuda")
    ('dft', 'dense')
    >>> choose_formulation((27, 27, 3, 1), 81, geometry._replace(padding=(0, 0)))
    'pointwise'
    """
    if device in ("", "meta"):
        return choose_plain_formulation(*geometry.along_time)
    if device != "cpu":
        return choose_accelerator_formulation(geometry.signal_length, geometry.kernel_length)
    if _is_pointwise(kernel, geometry):
        return "pointwise"
    if kernel[1] == 1 and geometry.output_length <= _MOST_PRODUCTS:
        return "im2col"
    may_be_dft = dtype in (torch.float32, torch.float64)
    return "dft" if may_be_dft and is_dft_faster(kernel, coefficients, geometry) else "per_tap"


def mellin_correlate_1d(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: Size = 1,
    kernel_offset: Size = 1,
    input_dilation: Size = 1,
    output_length: Size | None = None,
) -> torch.Tensor:
    """Mellin correlation along time: out[t] = sum_k kernel[k] signal[(t + s)(k + d) / u - 1].

    Terms whose index is not a whole number or lies outside the signal are zero.

    Args:
        signal: (N, C, T), or (C, T) without a batch; floating-point or complex.
        kernel: (O, C, K), of the signal's dtype and device.
        bias: (O,), added to every output.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default, those whose every term lies inside the signal.

    Returns:
        (N, O, output_length), or (O, output_length) without a batch.

    Raises:
        ValueError: shapes, dtypes or devices do not fit, an argument is not a whole number or too small, or the signal
            is too short for any output while output_length is None.

    >>> mellin_correlate_1d(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.tensor([[[1.0, 10.0]]]))
    tensor([[[21., 42.]]])
    """
    check_tensors(signal, kernel, bias, ("C", "T"), ("O", "C", "K"))
    return _correlate(
        signal.unsqueeze(-1),
        kernel.unsqueeze(3),
        bias,
        (output_offset, kernel_offset, input_dilation, output_length),
        (1, 1, 0),
        None,
    ).squeeze(-1)


def mellin_linear_correlate_2d(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: Size = 1,
    kernel_offset: Size = 1,
    input_dilation: Size = 1,
    output_length: Size | None = None,
    stride: Size = 1,
    dilation: Size = 1,
    padding: Sizes = 0,
) -> torch.Tensor:
    """Mellin correlation along time, ordinary correlation along frequency.

    out[t, f] = sum_k,w kernel[k, w] signal[(t + s)(k + d) / u - 1, stride f + dilation w - left]

    Args:
        signal: (N, C, T, F), or (C, T, F) without a batch; floating-point or complex.
        kernel: (O, C, K, W), of the signal's dtype and device.
        bias: (O,), added to every output.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default, those whose every term lies inside the signal.
        stride, dilation: stride and dilation of the frequency axis, >= 1.
        padding: zeros left and right of the frequency axis, >= 0: (left, right), or one number for both.

    Returns:
        (N, O, output_length, F'), or without N, with F' = (F + left + right - dilation (W - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes, dtypes or devices do not fit, an argument is not a whole number or too small, or the signal
            is too narrow, or too short for any output while output_length is None.

    >>> mellin_linear_correlate_2d(torch.ones(1, 1, 4, 3), torch.ones(1, 1, 2, 2)).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    return correlate_by_formulation(
        signal,
        kernel,
        bias,
        output_offset=output_offset,
        kernel_offset=kernel_offset,
        input_dilation=input_dilation,
        output_length=output_length,
        stride=stride,
        dilation=dilation,
        padding=padding,
        formulation=None,
    )


def correlate_by_formulation(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    output_offset: Size = 1,
    kernel_offset: Size = 1,
    input_dilation: Size = 1,
    output_length: Size | None = None,
    stride: Size = 1,
    dilation: Size = 1,
    padding: Sizes = 0,
    formulation: Formulation | None,
) -> torch.Tensor:
    """`mellin_linear_correlate_2d` by a given formulation, for tests and benchmarks.

    Args:
        formulation: name of the formulation; None chooses one. The other arguments are those of
            `mellin_linear_correlate_2d`.

    Raises:
        ValueError: as there, or the formulation does not support the shapes.

    >>> signal, kernel = torch.ones(1, 1, 4, 3), torch.ones(1, 1, 2, 2)
    >>> correlate_by_formulation(signal, kernel, formulation="dft").round().tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    check_tensors(signal, kernel, bias, ("C", "T", "F"), ("O", "C", "K", "W"))
    along_time = (output_offset, kernel_offset, input_dilation, output_length)
    return _correlate(signal, kernel, bias, along_time, (stride, dilation, padding), formulation)


def _correlate(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    along_time: tuple[Size, Size, Size, Size | None],
    along_frequency: tuple[Size, Size, Sizes],
    formulation: Formulation | None,
) -> torch.Tensor:
    if signal.dim() == 3:
        return _correlate(signal.unsqueeze(0), kernel, bias, along_time, along_frequency, formulation).squeeze(0)
    geometry = geometry_of(signal.shape, kernel.shape, along_time, along_frequency)
    shape = (signal.size(0), kernel.size(0), geometry.output_length, geometry.output_width)
    if 0 in shape or 0 in signal.shape:
        # Nothing to compute, but gradients of zero to give: a sum over no element is 0, whatever the values are.
        inputs = [signal, kernel] if bias is None else [signal, kernel, bias]
        zeros = signal.new_zeros(shape, dtype=autocast_type(signal))
        out = sum(tensor.flatten()[:0].sum() for tensor in inputs) + zeros
        return out if bias is None else out + bias.to(out.dtype).view(-1, 1, 1)
    if formulation is None:
        formulation = _choose(signal, kernel, geometry)
    if formulation == "pointwise" and not _is_pointwise(kernel.shape, geometry):
        width = f"kernel has {kernel.size(3)} coefficients, stride is {geometry.stride}, padding {geometry.padding}"
        raise ValueError(f"formulation is pointwise, but {width}; it is for kernels of 1, stride 1, padding (0, 0)")
    if formulation in PIECEWISE_FORMULATIONS:
        return correlate_piecewise(signal, kernel, bias, geometry, formulation)
    return correlate_plainly(signal, kernel, bias, geometry, cast(PlainName, formulation))


def _choose(signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> Formulation:
    if is_traced(signal):
        if is_symbolic(geometry.signal_length) or is_symbolic(geometry.output_length):
            return "dynamic_gather"
        return choose_plain_formulation(*geometry.along_time)
    device = "" if signal.is_complex() else signal.device.type
    return choose_formulation(kernel.shape, signal.size(3), geometry, device, autocast_type(signal))


def _is_pointwise(kernel: tuple[int, ...], geometry: Geometry) -> bool:
    return (kernel[3], geometry.stride, geometry.padding) == (1, 1, (0, 0))
