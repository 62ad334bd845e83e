"""The Mellin correlation, 1-d and 2-d (linear in frequency), by fast formulations that give the same numbers.

On a CPU, the batch goes through in pieces (`piecewise`): by `planes` for kernels of one coefficient, as in 1-d, by
matrix `products` for a single input channel, by `spectra` for wide kernels, else by `slices` of frames. Elsewhere, for
gradients of gradients, for complex numbers, and under torch.compile, torch.export and torch.jit, plain torch operations
do it (`plain_formulations`):

- `frames`: an output frame at a time. The input frames that it reads are laid side by side as channels, and one
  convolution along frequency does all its taps: no product with a zero is ever made. For few output frames.
- `spread`: all output frames at once. The kernel is spread over the pairs of input and output frames, with zeros where
  there is no tap, and one convolution along frequency does everything, without a copy of signal or output. For the
  shortest windows, where few pairs have no tap.
- `groups`: output frames that share kernel frames are computed together, from a gathered copy of what they read. There
  are as many groups as the input dilation has divisors, whatever the length. For many output frames.
- `residues`: as `groups`, but the program computes itself which input frames are gathered, so that one program serves
  every length. For dynamic lengths under torch.compile and torch.export.

Which is used follows from the shapes and the device alone (`formulation`), and can be forced for tests.
"""

from __future__ import annotations

from typing import Literal, cast

import torch

from cnn_mellin.ops import spectra
from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.lengths import mellin_arguments
from cnn_mellin.ops.piecewise import correlate_piecewise
from cnn_mellin.ops.plain_formulations import PlainFormulation, correlate_plainly, plain_formulation
from cnn_mellin.ops.sizes import Size, Sizes, size_of, sizes_of
from cnn_mellin.ops.tracing import is_symbolic, is_traced

__all__ = ["Formulation", "formulation", "mellin_correlate_1d", "mellin_linear_correlate_2d"]

Formulation = Literal["frames", "groups", "planes", "products", "residues", "slices", "spectra", "spread"]

_DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128}

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
    output_offset: Size = 1,
    kernel_offset: Size = 1,
    input_dilation: Size = 1,
    output_length: Size | None = None,
) -> torch.Tensor:
    """Mellin correlation along time: out[t] = sum_k kernel[k] signal[(t + s)(k + d) / u - 1].

    Terms whose index is not whole, or lies outside the signal, are zero.

    Args:
        signal: (N, C, T), or (C, T) without a batch; floating-point or complex.
        kernel: (O, C, K), of the signal's dtype and device.
        bias: (O,), added to every output.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default those whose every term lies inside the signal.

    Returns:
        (N, O, output_length), or (O, output_length) without a batch.

    Raises:
        ValueError: shapes, dtypes or devices do not fit, an argument is no whole number or too small, or the signal is
            too short for any output and there is no output_length.

    >>> mellin_correlate_1d(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), torch.tensor([[[1.0, 10.0]]]))
    tensor([[[21., 42.]]])
    """
    _check_tensors(signal, kernel, bias, ("C", "T"), ("O", "C", "K"))
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
    formulated_as: Formulation | None = None,
) -> torch.Tensor:
    """Mellin correlation along time, ordinary correlation along frequency.

    out[t, f] = sum_k,w kernel[k, w] signal[(t + s)(k + d) / u - 1, stride f + dilation w - left]

    Args:
        signal: (N, C, T, F), or (C, T, F) without a batch; floating-point or complex.
        kernel: (O, C, K, W), of the signal's dtype and device.
        bias: (O,), added to every output.
        output_offset, kernel_offset, input_dilation: s, d, u >= 1.
        output_length: frames of the output; by default those whose every term lies inside the signal.
        stride, dilation: of the frequency axis, >= 1.
        padding: zeros left and right of the frequency axis, >= 0: (left, right), or one number for both.
        formulated_as: force a formulation.

    Returns:
        (N, O, output_length, F'), or without N, with F' = (F + left + right - dilation (W - 1) - 1) // stride + 1.

    Raises:
        ValueError: shapes, dtypes or devices do not fit, an argument is no whole number or too small, the signal is too
            short for any output and there is no output_length, or too narrow, or a formulation is not for them.

    >>> mellin_linear_correlate_2d(torch.ones(1, 1, 4, 3), torch.ones(1, 1, 2, 2)).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    _check_tensors(signal, kernel, bias, ("C", "T", "F"), ("O", "C", "K", "W"))
    along_time = (output_offset, kernel_offset, input_dilation, output_length)
    return _correlate(signal, kernel, bias, along_time, (stride, dilation, padding), formulated_as)


def _correlate(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    along_time: tuple[Size, Size, Size, Size | None],
    along_frequency: tuple[Size, Size, Sizes],
    formulated_as: Formulation | None,
) -> torch.Tensor:
    if signal.dim() == 3:
        one = _correlate(signal.unsqueeze(0), kernel, bias, along_time, along_frequency, formulated_as)
        return one.squeeze(0)
    geometry = _geometry(signal, kernel, along_time, along_frequency)
    shape = (signal.size(0), kernel.size(0), geometry.output_length, geometry.output_width)
    if 0 in shape or 0 in signal.shape:
        # Nothing to compute, but gradients of zero to give: a sum over no element is 0, whatever the values are.
        inputs = [signal, kernel] if bias is None else [signal, kernel, bias]
        zeros = signal.new_zeros(shape, dtype=autocast_type(signal))
        out = sum(tensor.flatten()[:0].sum() for tensor in inputs) + zeros
        return out if bias is None else out + bias.to(out.dtype).view(-1, 1, 1)
    if formulated_as is None:
        formulated_as = _chosen(signal, kernel, geometry)
    if formulated_as == "planes" and not _is_pointwise(kernel.shape, geometry):
        width = f"kernel has {kernel.size(3)} coefficients, stride is {geometry.stride}, padding {geometry.padding}"
        raise ValueError(f"formulated_as is planes, but {width}; it is for kernels of 1, stride 1, padding (0, 0)")
    if formulated_as in ("planes", "products", "slices", "spectra"):
        return correlate_piecewise(signal, kernel, bias, geometry, formulated_as)
    return correlate_plainly(signal, kernel, bias, geometry, cast(PlainFormulation, formulated_as))


def _geometry(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    along_time: tuple[Size, Size, Size, Size | None],
    along_frequency: tuple[Size, Size, Sizes],
) -> Geometry:
    """The geometry, once every argument and the signal's sizes are checked."""
    frames, kernel_frames, *offsets = mellin_arguments(signal.size(2), kernel.size(2), *along_time[:3])
    output_offset, kernel_offset, input_dilation = offsets
    stride, dilation = size_of("stride", along_frequency[0]), size_of("dilation", along_frequency[1])
    left, right = sizes_of("padding", along_frequency[2], ("left", "right"), 0)
    if along_time[3] is not None:
        output_length = size_of("output_length", along_time[3], 0)
    else:
        last = kernel_frames + kernel_offset - 1
        needed = -(-output_offset * last // input_dilation)
        if frames < needed:
            raise ValueError(
                f"signal has {frames} frames, too few for an output whose every term lies inside it; it must have at "
                f"least {needed}, or give output_length"
            )
        output_length = frames * input_dilation // last - output_offset + 1
    span, width = dilation * (kernel.size(3) - 1) + 1, signal.size(3) + left + right
    if width < span:
        raise ValueError(
            f"signal has {signal.size(3)} coefficients, {width} with padding; it must have at least the {span} that "
            "the kernel spans (or more padding)"
        )
    return Geometry(
        frames,
        kernel_frames,
        output_offset,
        kernel_offset,
        input_dilation,
        output_length,
        stride,
        dilation,
        (left, right),
        (width - span) // stride + 1,
    )


def _chosen(signal: torch.Tensor, kernel: torch.Tensor, geometry: Geometry) -> Formulation:
    if is_traced(signal):
        if is_symbolic(geometry.signal_length) or is_symbolic(geometry.output_length):
            return "residues"
        return plain_formulation(*geometry.along_time)
    device = "" if signal.is_complex() else signal.device.type
    return formulation(kernel.shape, signal.size(3), geometry, device, autocast_type(signal))


def _is_pointwise(kernel: tuple[int, ...], geometry: Geometry) -> bool:
    return (kernel[3], geometry.stride, geometry.padding) == (1, 1, (0, 0))


def _check_tensors(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    signal_axes: tuple[str, ...],
    kernel_axes: tuple[str, ...],
) -> None:
    """Raise a ValueError where torch's convolutions would raise an error of their own.

    Args:
        signal, kernel, bias: as given.
        signal_axes: those of a signal without a batch.
        kernel_axes: those of the kernel.
    """
    for name, tensor in (("signal", signal), ("kernel", kernel), ("bias", bias)):
        if not isinstance(tensor, torch.Tensor) and (tensor is not None or name != "bias"):
            raise ValueError(f"{name} is a {type(tensor).__name__}; it must be a tensor")
    if signal.dim() not in (len(signal_axes), len(signal_axes) + 1):
        axes = ", ".join(signal_axes)
        raise ValueError(f"signal has shape {tuple(signal.shape)}; it must be (N, {axes}), or ({axes}) without a batch")
    if kernel.dim() != len(kernel_axes):
        raise ValueError(f"kernel has shape {tuple(kernel.shape)}; it must be ({', '.join(kernel_axes)})")
    if signal.size(-len(signal_axes)) != kernel.size(1):
        channels = f"kernel has {kernel.size(1)} input channels; signal has {signal.size(-len(signal_axes))}"
        raise ValueError(f"{channels}, as its shape is {tuple(signal.shape)}")
    if 0 in kernel.shape[1:]:
        raise ValueError(f"kernel has shape {tuple(kernel.shape)}; no axis may be empty")
    if bias is not None and bias.shape != kernel.shape[:1]:
        raise ValueError(f"bias has shape {tuple(bias.shape)}; it must be ({kernel.size(0)},), one per output channel")
    if signal.dtype not in _DTYPES and autocast_type(signal) not in _DTYPES:
        raise ValueError(
            f"signal has dtype {signal.dtype}; it must be float16, bfloat16, float32, float64, complex64 or "
            "complex128: convert it with signal.to(kernel.dtype)"
        )
    for name, tensor in (("kernel", kernel), ("bias", bias)):
        if tensor is None:
            continue
        if tensor.dtype != signal.dtype and autocast_type(tensor) != autocast_type(signal):
            raise ValueError(
                f"signal has dtype {signal.dtype}, but {name} has {tensor.dtype}; they must be the same: convert one "
                f"of them, as with signal.to({name}.dtype)"
            )
        if tensor.device != signal.device:
            raise ValueError(
                f"signal is on {signal.device}, but {name} on {tensor.device}; they must be on the same device: move "
                f"one of them, as with signal.to({name}.device)"
            )
