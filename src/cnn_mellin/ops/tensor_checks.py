"""Checks of the tensors that are correlated: shapes, dtypes and devices."""

from __future__ import annotations

import torch

from cnn_mellin.ops.autocast import autocast_type

__all__ = ["check_tensors"]

_DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128}


def check_tensors(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    signal_axes: tuple[str, ...],
    kernel_axes: tuple[str, ...],
) -> None:
    """Raise a ValueError unless shapes, dtypes and devices fit together, as torch's convolutions require.

    Args:
        signal, kernel, bias: arguments of the correlation, unchecked.
        signal_axes: names of the signal's axes, without the batch.
        kernel_axes: names of the kernel's axes.

    >>> check_tensors(torch.zeros(2, 9), torch.zeros(3, 2, 4), None, ("C", "T"), ("O", "C", "K"))
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
