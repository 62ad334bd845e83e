"""ReLU and dropout in a single pass, in place: a pass over large activations costs as much as a layer.

Dropout multiplies by factors that are not negative, so the two can be exchanged: the output is enough to route the
gradient, and neither a mask nor the input is kept. On a CPU the mask takes 16 random bits per number, four numbers from
one 64-bit random number, whereas torch uses one 64-bit random number for each.
"""

from __future__ import annotations

from typing import Any

import torch

from cnn_mellin.layers.dropout_rows import DropoutRows, dropout
from cnn_mellin.ops.batch_pieces import piece_lengths
from cnn_mellin.tensor_kind import require_floating

__all__ = ["rectified_dropout"]

_LEVELS = 2**16


def rectified_dropout(hidden: torch.Tensor, prob: float, rows: DropoutRows | None = None) -> torch.Tensor:
    """Apply ReLU and dropout in place: zero each number with a probability, and scale the others up.

    Args:
        hidden: tensor of any shape; it is overwritten with the result.
        prob: probability that a number becomes zero, in 0..1; on a CPU rounded to multiples of 1/65536.
        rows: rows of a whole batch that `hidden` holds; None if it holds them all.

    Returns:
        `hidden`, or with `rows` on an accelerator a new tensor.

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
        if rows is not None:
            return dropout(hidden, prob, rows, as_in_place=True).relu_()
        return torch.nn.functional.dropout(hidden, prob, True, True).relu_()
    out: torch.Tensor = _RectifiedDropout.apply(hidden, round(prob * _LEVELS), rows)  # type: ignore[no-untyped-call]
    return out


class _RectifiedDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, num_dropped: int, rows: DropoutRows | None) -> torch.Tensor:
        """Zero the numbers whose random level is one of the first `num_dropped` of 65536."""
        kept = 1 - num_dropped / _LEVELS
        ctx.scale = 1 / kept if kept else 0.0
        size = hidden[:1].numel()
        num_rows = len(hidden) if rows is None else rows.num_rows
        begin = 0
        for length in piece_lengths(num_rows, size) if size else ():
            random_bits = torch.empty(-(-length * size // 4), dtype=torch.int64).random_(-(2**63), None)
            levels = random_bits.view(torch.int16)[: length * size].view(length, *hidden.shape[1:])
            if rows is None:
                piece = hidden[begin : begin + length]
            else:
                first, end = torch.searchsorted(rows.rows, torch.tensor([begin, begin + length])).tolist()
                piece, levels = hidden[first:end], levels[rows.rows[first:end] - begin]
            piece.masked_fill_(levels < num_dropped - _LEVELS // 2, 0).relu_().mul_(ctx.scale)
            begin += length
        ctx.mark_dirty(hidden)
        ctx.save_for_backward(hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, grad_output: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad_output, out, 0).mul_(ctx.scale), None, None
