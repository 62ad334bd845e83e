"""Normalisation of features over the frames of their utterance."""

from __future__ import annotations

import torch

__all__ = ["normalized_utterances"]

_VARIANCE_FLOOR = 1e-2


def normalized_utterances(
    features: torch.Tensor, lengths: torch.Tensor | None = None, *, variance: bool = False
) -> torch.Tensor:
    """Subtract from each coefficient its mean over the frames of the utterance.

    Args:
        features: (N, T, F), finite.
        lengths: (N,), frames of each utterance, in 1..T; all T if None. Frames past them become 0.
        variance: also divide by the square root of the variance plus 0.01.

    >>> normalized_utterances(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2])).flatten().tolist()
    [-1.0, 1.0, 0.0]
    """
    if lengths is None:
        centred = features - features.mean(1, keepdim=True)
        spread = centred.square().mean(1, keepdim=True)
    else:
        num_frames = lengths.to(features.device).view(-1, 1, 1)
        beyond = torch.arange(features.size(1), device=features.device).view(1, -1, 1) >= num_frames
        mean = features.masked_fill(beyond, 0).sum(1, keepdim=True) / num_frames
        centred = (features - mean).masked_fill(beyond, 0)
        spread = centred.square().sum(1, keepdim=True) / num_frames
    return centred * (spread + _VARIANCE_FLOOR).rsqrt() if variance else centred
