"""The CTC objective of a batch."""

from __future__ import annotations

import torch

__all__ = ["can_emit", "ctc_losses", "frames_needed"]


def frames_needed(references: torch.Tensor, reference_lengths: torch.Tensor) -> torch.Tensor:
    """Fewest output frames in which CTC can emit each reference: one per phone, and a blank between equal phones.

    Args:
        references: (R,), classes of all utterances, concatenated.
        reference_lengths: (N,), number of phones of each utterance, on the CPU.

    >>> frames_needed(torch.tensor([1, 1, 2, 5]), torch.tensor([3, 1])).tolist()
    [4, 1]
    """
    utterances = torch.split(references.cpu(), reference_lengths.tolist())
    repeats = [int((classes[1:] == classes[:-1]).sum()) for classes in utterances]
    return reference_lengths + torch.tensor(repeats, dtype=reference_lengths.dtype)


def can_emit(lengths: torch.Tensor, references: torch.Tensor, reference_lengths: torch.Tensor) -> torch.Tensor:
    """Check which references CTC can emit, from what is known on the CPU.

    Args:
        lengths: (N,), number of output frames of each utterance.
        references: (R,), classes of all utterances, concatenated.
        reference_lengths: (N,), number of phones of each utterance.

    Returns:
        (N,), true where the output has enough frames.

    >>> can_emit(torch.tensor([3, 3]), torch.tensor([1, 1, 2, 3, 3]), torch.tensor([2, 3])).tolist()
    [True, False]
    """
    return lengths.cpu() >= frames_needed(references, reference_lengths)


def ctc_losses(
    logits: torch.Tensor,
    lengths: torch.Tensor,
    references: torch.Tensor,
    reference_lengths: torch.Tensor,
    num_phones: torch.Tensor | None = None,
) -> torch.Tensor:
    """CTC losses (N,), with the blank as the last class, divided by the number of phones; infinite losses become 0.

    Args:
        logits: (N, T, V).
        lengths: (N,), number of output frames of each utterance.
        references: (R,), classes of all utterances, concatenated.
        reference_lengths: (N,), number of phones of each utterance; on the CPU, nothing waits for the device.
        num_phones: (N,), the same on the device of the logits, at least 1, if it is there already.

    >>> ctc_losses(torch.zeros(1, 1, 2), torch.tensor([1]), torch.tensor([0]), torch.tensor([1]))
    tensor([0.6931])
    """
    losses = torch.nn.functional.ctc_loss(
        logits.float().log_softmax(2).transpose(0, 1),
        references,
        lengths,
        reference_lengths,
        blank=logits.size(2) - 1,
        reduction="none",
        zero_infinity=True,
    )
    if num_phones is None:
        num_phones = reference_lengths.clamp(min=1).to(losses.device)
    return losses / num_phones
