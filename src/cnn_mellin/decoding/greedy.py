"""Greedy (best path) CTC decoding."""

from __future__ import annotations

import torch

from cnn_mellin.decoding.logit_batch import check_logit_batch

__all__ = ["greedy_search", "greedy_segments"]


def greedy_search(logits: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
    """Take the best class of every frame, merge repeats and remove blanks.

    Args:
        logits: (N, T, V), logits or any increasing function of the probabilities; the blank is the last class.
        lengths: (N,), number of frames of each utterance, in 0..T.

    Returns:
        One list of classes per utterance.

    Raises:
        ValueError: dtypes, shapes or lengths do not fit, or a logit within the length is NaN.

    >>> logits = torch.eye(3)[torch.tensor([[0, 0, 2, 0, 1, 1]])]
    >>> greedy_search(logits, torch.tensor([6])), greedy_search(logits, torch.tensor([4]))
    ([[0, 0, 1]], [[0, 0]])
    """
    best, starts = _best_and_starts(logits, lengths)
    kept = starts & (best != logits.size(2) - 1)
    return [row[keep].tolist() for row, keep in zip(best, kept, strict=True)]


def greedy_segments(logits: torch.Tensor, lengths: torch.Tensor) -> list[list[tuple[int, int, int]]]:
    """Decode as `greedy_search` does, and return the frames in which each class was the best.

    Returns:
        One list per utterance of (class, first frame, end frame); the end frame is the first frame after the segment.

    >>> logits = torch.eye(3)[torch.tensor([[0, 0, 2, 0, 1, 1]])]
    >>> greedy_segments(logits, torch.tensor([5]))
    [[(0, 0, 2), (0, 3, 4), (1, 4, 5)]]
    """
    best, starts = _best_and_starts(logits, lengths)
    segments = []
    for row, start, length in zip(best, starts, lengths.tolist(), strict=True):
        firsts = start.nonzero().flatten().tolist()
        classes = row[start].tolist()
        runs = zip(classes, firsts, [*firsts[1:], int(length)], strict=True) if firsts else ()
        segments.append([run for run in runs if run[0] != logits.size(2) - 1])
    return segments


def _best_and_starts(logits: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Best class of each frame, (N, T), and True where a run of equal classes starts within the length, (N, T)."""
    check_logit_batch(logits, lengths)
    best_logits, classes = logits.max(2)
    inside = torch.arange(logits.size(1)) < lengths.cpu().unsqueeze(1)
    # the maximum of a frame with a NaN is NaN
    broken = (best_logits.cpu().isnan() & inside).any(1).nonzero().flatten().tolist()
    if broken:
        raise ValueError(
            f"logits[{broken[0]}] hold NaN ({len(broken)} of {len(lengths)} utterances); has the model diverged?"
        )
    best = classes.cpu()
    starts = inside.clone()
    starts[:, 1:] &= best[:, 1:] != best[:, :-1]
    return best, starts
