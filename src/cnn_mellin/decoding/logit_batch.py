"""Checks of logits and of sequences of classes that all decoders share."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch

from cnn_mellin.tensor_kind import require_floating, require_whole_numbers

__all__ = ["check_classes", "check_logit_batch", "check_logits"]


def check_logit_batch(logits: torch.Tensor, lengths: torch.Tensor) -> None:
    """Raise a ValueError if logits (N, T, V) or lengths (N,) have a wrong dtype or shape, or a length is not in 0..T.

    >>> check_logit_batch(torch.zeros(2, 5, 3), torch.tensor([5, 0]))
    """
    require_floating("logits", logits)
    require_whole_numbers("lengths", lengths)
    if logits.dim() != 3 or lengths.shape != logits.shape[:1]:
        shapes = f"logits {tuple(logits.shape)} and lengths {tuple(lengths.shape)}"
        raise ValueError(f"{shapes} do not fit; they must be (N, T, V) and (N,)")
    if logits.size(2) < 1:
        raise ValueError("logits have no class; the last one is the blank")
    if lengths.numel() and (int(lengths.min()) < 0 or int(lengths.max()) > logits.size(1)):
        raise ValueError(f"lengths lie in {int(lengths.min())}..{int(lengths.max())}, outside 0..{logits.size(1)}")


def check_logits(logits: torch.Tensor) -> None:
    """Raise a ValueError if logits (T, V) of one utterance have a wrong dtype or shape, or hold NaN.

    >>> check_logits(torch.zeros(5, 3))
    """
    require_floating("logits", logits)
    if logits.dim() != 2 or logits.size(1) < 1:
        raise ValueError(f"logits has shape {tuple(logits.shape)}; it must be (T, V), with at least the blank")
    if logits.isnan().any():
        raise ValueError("logits hold NaN; has the model diverged?")


def check_classes(sequences: Sequence[Sequence[int]], blank: int) -> None:
    """Raise a ValueError if a sequence holds anything but whole numbers in 0..blank - 1, which are its classes.

    >>> check_classes([[0, 1, 1], []], blank=2)
    """
    for i, classes in enumerate(sequences):
        wrong = [v for v in classes if isinstance(v, bool) or not isinstance(v, Integral) or not 0 <= v < blank]
        if wrong:
            raise ValueError(f"sequences[{i}] holds class {wrong[0]}; classes lie in 0..{blank - 1}")
