"""Exact CTC scores of given sequences."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cnn_mellin.decoding.logit_batch import check_classes, check_logits

__all__ = ["sequence_log_probs"]


def sequence_log_probs(logits: torch.Tensor, sequences: Sequence[Sequence[int]]) -> torch.Tensor:
    """Log-probability of each of several sequences, given the audio: the sum over all alignments with the frames.

    Args:
        logits: (T, V), logits of one utterance; the blank is the last class.
        sequences: M sequences of classes, without blanks.

    Returns:
        (M,), float64, natural logarithms; minus infinity for a sequence that does not fit into the frames.

    Raises:
        ValueError: logits have a wrong dtype or shape or hold NaN, or a class is out of range or the blank.

    >>> logits = torch.log(torch.tensor([[0.4, 0.6], [0.4, 0.6]]))
    >>> [round(p, 2) for p in sequence_log_probs(logits, [[0], [], [0, 0]]).exp().tolist()]
    [0.64, 0.36, 0.0]
    """
    check_logits(logits)
    num_frames, blank = len(logits), logits.size(1) - 1
    check_classes(sequences, blank)
    log_probs = logits.detach().cpu().double().log_softmax(1)
    # torch's loss is for at least one frame and one class
    found = log_probs[:, blank].sum().repeat(len(sequences))
    places = [i for i, classes in enumerate(sequences) if len(classes)]
    if not num_frames:
        found[places] = -torch.inf
    elif places:
        chosen = [torch.tensor(sequences[i]) for i in places]
        found[places] = -torch.nn.functional.ctc_loss(
            log_probs[:, None].expand(-1, len(chosen), -1),
            torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True),
            torch.full((len(chosen),), num_frames),
            torch.tensor([len(classes) for classes in chosen]),
            blank=blank,
            reduction="none",
        )
    return found
