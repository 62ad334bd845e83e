"""Windows of the utterances of a batch, in the order of a packed sequence."""

from __future__ import annotations

import torch

from cnn_mellin.ops.window_correlation import num_windows
from cnn_mellin.tensor_kind import require_floating, require_tensor, require_whole_numbers

__all__ = ["Windows", "check_utterances", "rows_of_utterances", "zeros_past_lengths"]


class Windows:
    """All windows of a batch that hold at least one frame, in packed order.

    Window t of an utterance holds frames t * window_stride up to t * window_stride + window_size, zeros past its end.

    Args:
        features: (N, T, F).
        lengths: (N,), frames of each utterance, in 1..T.
        window_size: frames in a window.
        window_stride: frames from the start of a window to the start of the next.
        num_features: expected number of coefficients, F.

    Attributes:
        values: (W, window_size, F): the first windows of all utterances, longest utterance first, then the second
            windows, and so on.
        lengths: (N,), windows of each utterance, on the CPU.
        batch_sizes, sorted_indices, unsorted_indices: as in torch's PackedSequence.

    Raises:
        ValueError: dtypes, shapes or lengths do not fit.

    >>> Windows(torch.arange(4.0).view(1, 4, 1), torch.tensor([4]), 3, 2, 1).values.squeeze(2).tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 0.0]]
    """

    def __init__(
        self, features: torch.Tensor, lengths: torch.Tensor, window_size: int, window_stride: int, num_features: int
    ) -> None:
        check_utterances(features, lengths, num_features)
        device = features.device
        frames = lengths.to("cpu", torch.int64)
        self.lengths = num_windows(frames, window_stride)
        sorted_lengths, order = torch.sort(self.lengths, descending=True, stable=True)
        steps = torch.arange(int(sorted_lengths[0]))
        present = steps.unsqueeze(1) < sorted_lengths  # (T', N): one row per step of the packed sequence
        self.batch_sizes = present.sum(1)
        self.sorted_indices = order.to(device)
        self.unsorted_indices = torch.argsort(order).to(device)
        step, utterance = present.nonzero(as_tuple=True)
        utterance = order[utterance]
        padding = (int(self.lengths.max()) - 1) * window_stride + window_size - features.size(1)
        features = zeros_past_lengths(features, frames)
        if padding > 0:
            features = torch.nn.functional.pad(features, (0, 0, 0, padding))
        unfolded = features.unfold(1, window_size, window_stride)  # (N, T', F, window): a view
        self.values = unfolded[utterance.to(device), step.to(device)].transpose(1, 2)


def rows_of_utterances(lengths: torch.Tensor, chosen: torch.Tensor, window_stride: int) -> tuple[int, torch.Tensor]:
    """Place of some utterances' windows among the packed windows of a whole batch.

    Args:
        lengths: (N,), frames of each utterance of the whole batch, on the CPU.
        chosen: (N,), booleans, true for the utterances that are asked for.
        window_stride: frames from the start of a window to the start of the next.

    Returns:
        number of windows of the whole batch, and the places of the windows of the chosen utterances, in the order in
        which `Windows` packs a batch of these utterances.

    >>> rows_of_utterances(torch.tensor([2, 3, 1]), torch.tensor([True, False, True]), 1)
    (6, tensor([1, 2, 4]))
    """
    sorted_lengths, order = torch.sort(num_windows(lengths, window_stride), descending=True, stable=True)
    present = torch.arange(int(sorted_lengths[0])).unsqueeze(1) < sorted_lengths
    utterances = order[present.nonzero()[:, 1]]
    return len(utterances), chosen[utterances].nonzero().flatten()


def zeros_past_lengths(features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Features (N, T, F) with zeros past the lengths (N,) of the utterances, which are on the CPU."""
    beyond = torch.arange(features.size(1)) >= lengths.unsqueeze(1)
    return features.masked_fill(beyond.unsqueeze(2).to(features.device), 0) if beyond.any() else features


def check_utterances(features: torch.Tensor, lengths: torch.Tensor, num_features: int) -> None:
    """Check that features (N, T, F) and lengths (N,) fit.

    Raises:
        ValueError: they do not; the message says how.
    """
    require_floating("features", features)
    require_tensor("lengths", lengths)
    if features.dim() != 3:
        raise ValueError(f"features has shape {tuple(features.shape)}; it must be (utterances, frames, coefficients)")
    if features.size(2) != num_features:
        raise ValueError(f"features has {features.size(2)} coefficients, but the model takes {num_features}")
    if lengths.shape != features.shape[:1] or not features.size(0):
        raise ValueError(
            f"lengths has shape {tuple(lengths.shape)}; it must be ({features.size(0)},), one for each of 1 or more "
            "utterances"
        )
    require_whole_numbers("lengths", lengths)
    wrong = (lengths < 1) | (lengths > features.size(1))
    if wrong.any():
        i = int(wrong.nonzero()[0])
        raise ValueError(
            f"lengths[{i}] is {int(lengths[i])} but features have {features.size(1)} frames; "
            f"lengths must lie in 1..{features.size(1)} (samples instead of frames?)"
        )
