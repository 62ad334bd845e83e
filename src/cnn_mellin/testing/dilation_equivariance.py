"""Oracle for layers in log time: a dilation of the signal must become a shift of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

__all__ = ["assert_dilation_equivariant", "dilated", "equivariance_error"]

Layer = Callable[[torch.Tensor], torch.Tensor]


def dilated(signal: torch.Tensor, factor: int, dim: int = 2) -> torch.Tensor:
    """Slow a signal down by a factor: counting frames from 1, x'(factor * i) = x(i), zeros between.

    Args:
        signal: tensor of any shape.
        factor: whole number, at least 1.
        dim: time axis.

    Returns:
        The same shape, but `factor` times as long along `dim`.

    Raises:
        ValueError: the factor is below 1.

    >>> dilated(torch.tensor([1.0, 2.0]), 3, dim=0).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 2.0]
    """
    if factor < 1:
        raise ValueError(f"factor is {factor}; it must be at least 1")
    shape = list(signal.shape)
    shape[dim] *= factor
    slow = signal.new_zeros(shape)
    places = torch.arange(factor - 1, shape[dim], factor, device=signal.device)
    return slow.index_copy(dim, places, signal)


def equivariance_error(
    layer: Layer, signal: torch.Tensor, factor: int, *, output_offset: int | None = None, dim: int = 2
) -> float:
    """Measure how far a layer is from equivariance to dilation.

    Counting output frames from `output_offset`, output t for the signal must equal output factor * t for the signal
    slowed down by `factor`.

    Args:
        layer: function or module of one tensor; its output has time along `dim`, too.
        signal: signal to apply it to, for instance (N, C, T) or (N, C, T, F).
        factor: whole number, at least 2.
        output_offset: s; by default, the layer's own `output_offset`, or 1.
        dim: time axis.

    Returns:
        Largest difference, divided by the largest magnitude of the outputs compared.

    Raises:
        ValueError: the factor is too small, or there is nothing to compare: no such frame of the slower output is
            within its length, or all outputs compared are zero. A longer `output_length` or signal helps.

    >>> from cnn_mellin.layers import MellinConv1d
    >>> signal = torch.randn(1, 1, 12, dtype=torch.float64)
    >>> equivariance_error(MellinConv1d(1, 2, 3, output_length=24).double(), signal, factor=2) < 1e-12
    True
    >>> equivariance_error(torch.nn.Conv1d(1, 2, 3).double(), signal, factor=2) < 1e-2
    False
    """
    if factor < 2:
        raise ValueError(f"factor is {factor}; it must be at least 2")
    offset = int(getattr(layer, "output_offset", 1)) if output_offset is None else output_offset
    with torch.no_grad():
        before, after = layer(signal), layer(dilated(signal, factor, dim))
    frames = torch.arange(before.size(dim), device=before.device)
    places = factor * (frames + offset) - offset
    within = places < after.size(dim)
    if not within.any():
        raise ValueError(
            f"output has {after.size(dim)} frames, but the first one to compare is {factor * offset - offset}; "
            "give the layer a longer output_length"
        )
    expected = before.index_select(dim, frames[within])
    found = after.index_select(dim, places[within])
    largest = float(torch.maximum(expected.abs().max(), found.abs().max()))
    if not largest:
        raise ValueError("all outputs to compare are zero; try another or a longer signal")
    return float((found - expected).abs().max()) / largest


def assert_dilation_equivariant(
    layer: Layer,
    signal: torch.Tensor | None = None,
    *,
    factors: Iterable[int] = (2, 3, 5),
    tolerance: float = 1e-5,
    output_offset: int | None = None,
    dim: int = 2,
) -> None:
    """Raise an AssertionError unless a layer is equivariant to dilation.

    Args:
        layer: function or module of one tensor.
        signal: signal to apply it to; by default, noise of 24 frames that fits the layer's `weight`.
        factors: whole numbers, at least 2.
        tolerance: largest `equivariance_error` allowed.
        output_offset, dim: arguments of `equivariance_error`.

    Raises:
        AssertionError: the error is above the tolerance; the message names the factor.
        ValueError: there is nothing to compare.

    >>> from cnn_mellin.layers import MellinConv1d
    >>> assert_dilation_equivariant(MellinConv1d(3, 2, 4, input_dilation=2, output_length=60))
    """
    if signal is None:
        weight = getattr(layer, "weight", None)
        if weight is None:
            raise ValueError("signal is None, and the layer has no weight to infer its shape from; give a signal")
        rest = [4 * size for size in weight.shape[3:]]
        generator = torch.Generator().manual_seed(0)
        signal = torch.randn(2, weight.size(1), 24, *rest, generator=generator).to(weight)
    for factor in factors:
        error = equivariance_error(layer, signal, factor, output_offset=output_offset, dim=dim)
        if error > tolerance:
            raise AssertionError(
                f"a signal {factor} times slower shifts the output with a relative error of {error:.3g}, above "
                f"{tolerance:g}: the layer is not equivariant to dilation"
            )
