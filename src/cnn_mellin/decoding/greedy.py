"""Greedy (best path) CTC decoding."""

from __future__ import annotations

import torch

__all__ = ["greedy_search"]


def greedy_search(logits: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """The best class of every frame, repeats merged, blanks left out.

    Args:
        logits: (N, T, V), the blank the last class; any increasing function of the probabilities will do.
        lengths: (N,), frames of each utterance, in 0..T.

    Returns:
        A list of classes for each utterance.

    Raises:
        ValueError: shapes do not fit.

    >>> logits = torch.eye(3)[torch.tensor([[0, 0, 2, 0, 1, 1]])]
    >>> greedy_search(logits, torch.tensor([6])), greedy_search(logits, torch.tensor([4]))
    ([[0, 0, 1]], [[0, 0]])
    """
    if logits.dim() != 3 or lengths.shape != logits.shape[:1]:
        shapes = f"logits {tuple(logits.shape)} and lengths {tuple(lengths.shape)}"
        raise ValueError(f"{shapes} do not fit; they must be (N, T, V) and (N,)")
    if lengths.numel() and (int(lengths.min()) < 0 or int(lengths.max()) > logits.size(1)):
        raise ValueError(f"lengths lie in {int(lengths.min())}..{int(lengths.max())}, outside 0..{logits.size(1)}")
    best = logits.argmax(2).cpu()
    kept = best != logits.size(2) - 1
    kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    kept &= torch.arange(logits.size(1)) < lengths.cpu().unsqueeze(1)
    return [row[keep].tolist() for row, keep in zip(best, kept, strict=True)]
