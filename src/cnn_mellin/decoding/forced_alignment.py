"""Forced alignment: the most likely CTC alignment of a known sequence (Viterbi)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from cnn_mellin.decoding.logit_batch import check_classes, check_logit_batch
from cnn_mellin.tensor_kind import require_floating, require_whole_numbers

__all__ = ["forced_alignment"]


def forced_alignment(
    logits: torch.Tensor, lengths: torch.Tensor, sequences: Sequence[Sequence[int]]
) -> list[list[tuple[int, int, int]]]:
    """Frames of each class in the most likely alignment of a given sequence, such as the result of a prefix search.

    Args:
        logits: (N, T, V), logits of each utterance; the blank is the last class.
        lengths: (N,), number of frames of each utterance, in 0..T.
        sequences: sequence of classes of each utterance, without blanks.

    Returns:
        One list per utterance of (class, first frame, end frame); the end frame is the first frame after the segment.

    Raises:
        ValueError: dtypes or shapes do not fit, a class is out of range or the blank, an utterance has too few frames
            for its sequence (one per class, and one more between equal classes), or the sequence has probability 0.

    >>> logits = 9 * torch.eye(3)[torch.tensor([[0, 0, 2, 0, 1, 1]])]
    >>> forced_alignment(logits, torch.tensor([6]), [[0, 0, 1]])
    [[(0, 0, 2), (0, 3, 4), (1, 4, 6)]]
    """
    require_floating("logits", logits)
    require_whole_numbers("lengths", lengths)
    if logits.dim() != 3 or lengths.shape != logits.shape[:1] or len(sequences) != len(lengths):
        shapes = f"logits {tuple(logits.shape)}, lengths {tuple(lengths.shape)} and {len(sequences)} sequences"
        raise ValueError(f"{shapes} do not fit; they must be (N, T, V), (N,) and N")
    check_logit_batch(logits, lengths)
    blank = logits.size(2) - 1
    check_classes(sequences, blank)
    log_probs = logits.detach().cpu().double().log_softmax(2).numpy()
    segments = []
    for i, (classes, length) in enumerate(zip(sequences, lengths.tolist(), strict=True)):
        needed = len(classes) + sum(a == b for a, b in zip(classes, classes[1:], strict=False))
        if needed > length:
            raise ValueError(f"sequences[{i}] needs {needed} frames, but the utterance has {length}")
        segments.append(_best_segments(log_probs[i, : int(length)], list(classes), blank, i))
    return segments


def _best_segments(
    log_probs: npt.NDArray[np.float64], classes: list[int], blank: int, i: int
) -> list[tuple[int, int, int]]:
    """Viterbi search over the classes with blanks before, between and after them: state 2 k + 1 is class k."""
    if not classes:
        return []
    states = np.full(2 * len(classes) + 1, blank)
    states[1::2] = classes
    # the blank between two different classes may be skipped
    skips = np.zeros(len(states), dtype=bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    emitted = log_probs[:, states]
    score = np.full(len(states), -np.inf)
    score[:2] = emitted[0, :2]
    steps = np.zeros(emitted.shape, dtype=np.int8)
    for t in range(1, len(emitted)):
        sources = np.full((3, len(states)), -np.inf)
        sources[0] = score
        sources[1, 1:] = score[:-1]
        sources[2, 2:] = np.where(skips[2:], score[:-2], -np.inf)
        steps[t] = sources.argmax(axis=0)
        score = sources.max(axis=0) + emitted[t]
    state = len(states) - 1 if score[-1] >= score[-2] else len(states) - 2
    if not np.isfinite(score[state]):
        raise ValueError(f"sequences[{i}] has no possible alignment; its logits hold NaN or exclude one of its classes")
    path = np.empty(len(emitted), dtype=np.int64)
    for t in range(len(emitted) - 1, -1, -1):
        path[t] = state
        state -= int(steps[t, state])
    found = []
    for k, v in enumerate(classes):
        frames = np.flatnonzero(path == 2 * k + 1)
        found.append((v, int(frames[0]), int(frames[-1]) + 1))
    return found
