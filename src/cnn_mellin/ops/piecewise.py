"""The Mellin correlation on a CPU, in pieces of the batch that fit its caches, with gradients of its own.

Temporaries as large as the signal cost as much as the arithmetic. So each piece of the batch goes through all steps
while it is in the caches, and backward repeats them instead of keeping copies. A piece is correlated in one of four
ways (all share the skeleton in `piecewise_formulation`):

- `per_tap`: one kernel frame reads every a-th input frame and writes to every b-th output frame (`index_plan`), so a
  piece is a few convolutions along frequency of strided slices, channels last, which are two to three times as fast on
  a CPU. Nothing is multiplied by a missing tap.
- `im2col`: for a single input channel, whose convolutions are slow. What the kernel reads is laid out as columns, and
  each output frame is one matrix product.
- `pointwise`: for kernels of one coefficient, as in 1-d: matrix products of frames in their memory order.
- `dft`: for wide kernels, the least arithmetic. Frames are transformed along frequency, where a kernel of any width
  is one product per transformed coefficient.

Derivatives of derivatives and function transforms (vmap, jvp) use the plain formulations.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch

from cnn_mellin.ops.autocast import autocast_type
from cnn_mellin.ops.dft import DftFormulation
from cnn_mellin.ops.geometry import Geometry
from cnn_mellin.ops.im2col import Im2colFormulation
from cnn_mellin.ops.per_tap import PerTapFormulation
from cnn_mellin.ops.piecewise_formulation import PiecewiseFormulation
from cnn_mellin.ops.plain_formulations import correlate_plainly
from cnn_mellin.ops.pointwise import PointwiseFormulation

__all__ = ["PIECEWISE_FORMULATIONS", "PiecewiseName", "correlate_piecewise"]

PiecewiseName = Literal["dft", "im2col", "per_tap", "pointwise"]

PIECEWISE_FORMULATIONS: dict[str, type[PiecewiseFormulation[Any]]] = {
    "dft": DftFormulation,
    "im2col": Im2colFormulation,
    "per_tap": PerTapFormulation,
    "pointwise": PointwiseFormulation,
}


def correlate_piecewise(
    signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry, formulation: str
) -> torch.Tensor:
    """Correlate signal (N, C, T, F) with kernel (O, C, K, W) in pieces of the batch; no axis may be empty.

    The output is in channels-last order if the signal is, as with torch's convolutions.

    >>> geometry = Geometry(4, 2, 1, 1, 1, 2, 1, 1, (0, 0), 1)
    >>> correlate_piecewise(torch.ones(1, 1, 4, 1), torch.ones(1, 1, 2, 1), None, geometry, "per_tap").tolist()
    [[[[2.0], [2.0]]]]
    """
    if torch.is_autocast_enabled(signal.device.type):
        dtype = autocast_type(signal)
        signal, kernel, bias = signal.to(dtype), kernel.to(dtype), None if bias is None else bias.to(dtype)
    out: torch.Tensor = _Piecewise.apply(signal, kernel, bias, geometry, formulation)  # type: ignore[no-untyped-call]
    return out


class _Piecewise(torch.autograd.Function):
    @staticmethod
    def forward(
        signal: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None, geometry: Geometry, formulation: str
    ) -> torch.Tensor:
        with torch.autocast(signal.device.type, enabled=False):
            return PIECEWISE_FORMULATIONS[formulation](signal, kernel, geometry).correlate(bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        signal, kernel, bias, ctx.geometry, ctx.formulation = inputs
        ctx.save_for_backward(signal, kernel, bias)
        ctx.save_for_forward(signal, kernel, bias)

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        signal, kernel, bias = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradients will be differentiated themselves
            primals = [tensor for tensor in (signal, kernel, bias) if tensor is not None]
            gradients = torch.func.vjp(partial(_plainly, geometry=ctx.geometry), *primals)[1](grad_output)
            return (*gradients, *[None] * (5 - len(gradients)))
        with torch.autocast(signal.device.type, enabled=False):
            correlation = PIECEWISE_FORMULATIONS[ctx.formulation](signal, kernel, ctx.geometry)
            return (*correlation.gradients(grad_output, tuple(ctx.needs_input_grad[:3])), None, None)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> torch.Tensor:
        signal, kernel, _ = ctx.saved_tensors
        signal_tangent, kernel_tangent, bias_tangent = tangents[:3]
        terms = []
        if signal_tangent is not None:
            terms.append(correlate_plainly(signal_tangent, kernel, None, ctx.geometry))
        if kernel_tangent is not None:
            terms.append(correlate_plainly(signal, kernel_tangent, bias_tangent, ctx.geometry))
        elif bias_tangent is not None:
            terms.append(correlate_plainly(signal, torch.zeros_like(kernel), bias_tangent, ctx.geometry))
        return torch.stack(terms).sum(0)

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
