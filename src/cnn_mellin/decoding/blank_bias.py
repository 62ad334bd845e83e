"""Bias of the blank: how readily a model that was trained already says nothing."""

from __future__ import annotations

import math

import torch

from cnn_mellin.tensor_kind import require_floating

__all__ = ["add_blank_bias"]


def add_blank_bias(logits: torch.Tensor, blank_bias: float) -> torch.Tensor:
    """Add a bias to the blank's logit in every frame, that is, to its log-probability before normalisation.

    All searches take the result. A model that says too many blanks deletes symbols; a bias below 0 gives some of them
    back, in a greedy search too.

    Args:
        logits: (..., V), logits; the blank is the last class.
        blank_bias: natural logarithm to add.

    Returns:
        (..., V), biased logits, in float32 at least; the logits themselves if the bias is 0.

    Raises:
        ValueError: the logits are no floating-point numbers, or the bias is not finite.

    >>> logits = torch.log(torch.tensor([[0.3, 0.2, 0.5]]))
    >>> [round(p, 3) for p in add_blank_bias(logits, -math.log(2)).softmax(1)[0].tolist()]
    [0.4, 0.267, 0.333]
    """
    require_floating("logits", logits)
    if not math.isfinite(blank_bias):
        raise ValueError(f"blank_bias is {blank_bias}; it must be finite")
    if blank_bias == 0:
        return logits
    biased = logits.to(torch.promote_types(logits.dtype, torch.float32), copy=True)
    biased[..., -1] += blank_bias
    return biased
