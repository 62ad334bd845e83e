"""The Mellin correlation on a CPU: pieces of the batch that fit its caches, and gradients of its own.

Temporaries as large as the signal cost as much as the arithmetic, so each piece of the batch goes through all of it
while it is in the caches; backward does the same again instead of keeping copies. Four ways of correlating a piece:

- `slices`: a kernel frame reads every a-th input frame and writes to every b-th output frame (`index_plan`), so a piece
  is a few convolutions along frequency of strided slices, channels last, which are two to three times as fast on a CPU.
  Nothing is multiplied by a missing tap.
- `products`: for a single input channel, whose convolutions are slow. The kernel's positions along frequency are laid
  side by side, and each output frame is one matrix product.
- `planes`: for kernels of one coefficient, as in 1-d: matrix products of frames in the order in which they lie.
- `spectra`: for wide kernels, the least arithmetic. Frames are transformed along frequency, where a kernel of any width
  is one product a transformed coefficient.

Derivatives of derivatives and transformations are left to the plain formulations.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any, Literal

import torch

from cnn_mellin.ops import planes, products, slices, spectra
from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.plain_formulations import correlate_plainly

__all__ = ["PiecewiseFormulation", "correlate_piecewise"]

PiecewiseFormulation = Literal["planes", "products", "slices", "spectra"]

_WAYS: dict[str, ModuleType] = {"planes": planes, "products": products, "slices": slices, "spectra": spectra}


def correlate_piecewise(
    signal: torch.Tensor,
    kernel: torch.Tensor,
    bias: torch.Tensor | None,
    geometry: Geometry,
    formulated_as: PiecewiseFormulation,
) -> torch.Tensor:
    """Correlate signal (N, C, T, F) with kernel (O, C, K, W), in pieces of the batch; no axis may be empty.

    The output is in channels-last order if the signal is, as with torch's convolutions.

    >>> geometry = Geometry(4, 2, 1, 1, 1, 2, 1, 1, (0, 0), 1)
    >>> correlate_piecewise(torch.ones(1, 1, 4, 1), torch.ones(1, 1, 2, 1), None, geometry, "slices").flatten().tolist()
    [2.0, 2.0]
    """
    if torch.is_autocast_enabled(signal.device.type):
        dtype = autocast_type(signal)
        signal, kernel, bias = signal.to(dtype), kernel.to(dtype), None if bias is None else bias.to(dtype)
    out: torch.Tensor = _Piecewise.apply(signal, kernel, bias, geometry, formulated_as)
    return out


class _Piecewise(torch.autograd.Function):
    @staticmethod
    def forward(
        signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry, formulated_as: str
    ) -> torch.Tensor:
        with torch.autocast(signal.device.type, enabled=False):
            out: torch.Tensor = _WAYS[formulated_as].correlate(signal, kernel, bias, geometry)
            return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        signal, kernel, bias, ctx.geometry, ctx.formulated_as = inputs
        ctx.save_for_backward(signal, kernel, bias)
        ctx.save_for_forward(signal, kernel, bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        signal, kernel, bias = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated, too
            primals = [tensor for tensor in (signal, kernel, bias) if tensor is not None]
            found = torch.func.vjp(partial(_plainly, geometry=ctx.geometry), *primals)[1](gradient)
            return (*found, *[None] * (5 - len(found)))
        needed = tuple(ctx.needs_input_grad[:3])
        with torch.autocast(signal.device.type, enabled=False):
            found = _WAYS[ctx.formulated_as].gradients(gradient, signal, kernel, ctx.geometry, needed)
            return (*found, None, None)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> torch.Tensor:
        signal, kernel, _ = ctx.saved_tensors
        of_signal, of_kernel, of_bias = tangents[:3]
        parts = []
        if of_signal is not None:
            parts.append(correlate_plainly(of_signal, kernel, None, ctx.geometry))
        if of_kernel is not None:
            parts.append(correlate_plainly(signal, of_kernel, of_bias, ctx.geometry))
        elif of_bias is not None:
            zeros = torch.zeros_like(kernel)
            parts.append(correlate_plainly(signal, zeros, of_bias, ctx.geometry))
        return torch.stack(parts).sum(0)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[torch.Tensor, int]:
        signal, kernel, bias, geometry, _ = inputs
        tensors = [tensor for tensor in (signal, kernel, bias) if tensor is not None]
        dims = tuple(in_dims[: len(tensors)])
        return torch.vmap(partial(_plainly, geometry=geometry), dims)(*tensors), 0


def _plainly(
    signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None = None, *, geometry: Geometry
) -> torch.Tensor:
    return correlate_plainly(signal, kernel, bias, geometry)
