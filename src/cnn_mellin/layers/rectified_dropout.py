"""ReLU and dropout at once, in the memory of their input: a pass over large activations costs as much as a layer.

Dropout multiplies by factors that are not negative, so the two may change places: the output alone tells where the
gradient goes, and neither a mask nor the input is kept. On a CPU the mask takes 16 random bits a number, four of them
from one draw, where torch draws a number of 64 bits for each.
"""

from __future__ import annotations

from typing import Any

import torch

from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.tensor_kind import require_floating

__all__ = ["rectified_dropout"]

_LEVELS = 2**16


def rectified_dropout(hidden: torch.Tensor, prob: float) -> torch.Tensor:
    """max(hidden, 0), each number zero with a probability and divided by that of staying otherwise, in place.

    Args:
        hidden: of any shape; it becomes the result.
        prob: that a number becomes zero, in 0..1; on a CPU to the nearest of 65536 steps.

    Returns:
        `hidden`.

    Raises:
        ValueError: the probability is outside 0..1, or `hidden` is not floating-point.

    >>> rectified_dropout(torch.tensor([-1.0, 2.0]), 0.0)
    tensor([0., 2.])
    >>> rectified_dropout(torch.ones(10000), 0.5).unique()
    tensor([0., 2.])
    """
    if not 0 <= prob <= 1:
        raise ValueError(f"prob is {prob}; it must lie in 0..1")
    require_floating("hidden", hidden)
    if prob == 0:
        return hidden.relu_()
    if hidden.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return torch.nn.functional.dropout(hidden, prob, True, True).relu_()
    out: torch.Tensor = _RectifiedDropout.apply(hidden, round(prob * _LEVELS))
    return out


class _RectifiedDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, num_dropped: int) -> torch.Tensor:
        """Drop what draws one of so many of the levels."""
        kept = 1 - num_dropped / _LEVELS
        ctx.scale = 1 / kept if kept else 0.0
        size = hidden[:1].numel()
        for piece in hidden.split(piece_lengths(len(hidden), size)) if size else ():
            draws = torch.empty(-(-piece.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
            levels = draws.view(torch.int16)[: piece.numel()].view(piece.shape)
            piece.masked_fill_(levels < num_dropped - _LEVELS // 2, 0).relu_().mul_(ctx.scale)
        ctx.mark_dirty(hidden)
        ctx.save_for_backward(hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, out, 0).mul_(ctx.scale), None
