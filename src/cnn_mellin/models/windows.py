"""Windows of the utterances of a batch, in the order of a packed sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from cnn_mellin.joint_transfer import move_together
from cnn_mellin.ops.window_correlation import num_windows
from cnn_mellin.tensor_kind import require_floating, require_tensor, require_whole_numbers

__all__ = ["WindowPlan", "check_utterances", "plan_windows", "rows_of_utterances", "zeros_past_lengths"]


@dataclass(frozen=True)
class WindowPlan:
    """Order of all windows of a batch that hold at least one frame, and what is needed to bring them into it.

    Window t of an utterance holds frames t * window_stride up to t * window_stride + window_size, zeros past its end.
    The first windows of all utterances come first, longest utterance first, then the second windows, and so on.

    Args:
        window_size, window_stride: frames in a window, and from the start of a window to the start of the next.
        lengths: (N,), windows of each utterance, on the CPU.
        batch_sizes: (T',), as in torch's PackedSequence, on the CPU.
        num_frames: (N,), frames of each utterance.
        utterances, steps: (W,), utterance of each window, and its number in the utterance.
        places: (N * T',), place of each window of each utterance, W for windows that do not exist.
        beyond: (N, T), true for frames past the end of the utterance; None if there are none.
    """

    window_size: int
    window_stride: int
    lengths: torch.Tensor
    batch_sizes: torch.Tensor
    num_frames: torch.Tensor
    utterances: torch.Tensor
    steps: torch.Tensor
    places: torch.Tensor
    beyond: torch.Tensor | None

    @property
    def device_tensors(self) -> list[torch.Tensor]:
        """Tensors that must be where the features are."""
        found = [self.num_frames, self.utterances, self.steps, self.places]
        return found if self.beyond is None else [*found, self.beyond]

    def with_device_tensors(self, tensors: Sequence[torch.Tensor]) -> WindowPlan:
        """The same plan with copies of its `device_tensors`."""
        num_frames, utterances, steps, places, *beyond = tensors
        return replace(
            self,
            num_frames=num_frames,
            utterances=utterances,
            steps=steps,
            places=places,
            beyond=beyond[0] if beyond else None,
        )

    def to(self, device: torch.device) -> WindowPlan:
        """The same plan for features on a device, by one transfer."""
        return self.with_device_tensors(move_together(self.device_tensors, device))

    def windows_of(self, features: torch.Tensor) -> torch.Tensor:
        """Windows (W, window_size, F) of features (N, T, F), which are zero past the end of their utterance."""
        num_steps = len(self.batch_sizes)
        padding = (num_steps - 1) * self.window_stride + self.window_size - features.size(1)
        if padding > 0:
            features = torch.nn.functional.pad(features, (0, 0, 0, padding))
        unfolded = features.unfold(1, self.window_size, self.window_stride)  # (N, T', F, window): a view
        return unfolded[self.utterances, self.steps].transpose(1, 2)

    def by_utterance(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (W, V), one per window, as (N, T', V), with zeros for windows that do not exist."""
        rows = torch.nn.functional.pad(rows, (0, 0, 0, 1)).index_select(0, self.places)
        padded: torch.Tensor = rows.unflatten(0, (len(self.lengths), len(self.batch_sizes)))
        return padded


def plan_windows(lengths: torch.Tensor, frames: int, window_size: int, window_stride: int) -> WindowPlan:
    """Plan the windows of a batch on the CPU.

    Args:
        lengths: (N,), frames of each utterance, in 1..T.
        frames: frames of the batch, T.
        window_size: frames in a window.
        window_stride: frames from the start of a window to the start of the next.

    >>> plan = plan_windows(torch.tensor([4]), 4, 3, 2)
    >>> plan.windows_of(torch.arange(4.0).view(1, 4, 1)).squeeze(2).tolist()
    [[0.0, 1.0, 2.0], [2.0, 3.0, 0.0]]
    """
    num_frames = lengths.to("cpu", torch.int64)
    windows = num_windows(num_frames, window_stride)
    batch_sizes, utterances, steps = _packed_order(windows)
    places = torch.full((len(windows), len(batch_sizes)), len(steps))
    places[utterances, steps] = torch.arange(len(steps))
    beyond = _past_lengths(num_frames, frames)
    return WindowPlan(
        window_size,
        window_stride,
        windows,
        batch_sizes,
        num_frames,
        utterances,
        steps,
        places.flatten(),
        beyond if beyond.any() else None,
    )


def rows_of_utterances(lengths: torch.Tensor, chosen: torch.Tensor, window_stride: int) -> tuple[int, torch.Tensor]:
    """Place of some utterances' windows among the packed windows of a whole batch.

    Args:
        lengths: (N,), frames of each utterance of the whole batch, on the CPU.
        chosen: (N,), booleans, true for the utterances that are asked for.
        window_stride: frames from the start of a window to the start of the next.

    Returns:
        number of windows of the whole batch, and the places of the windows of the chosen utterances, in the order in
        which `plan_windows` packs a batch of these utterances.

    >>> rows_of_utterances(torch.tensor([2, 3, 1]), torch.tensor([True, False, True]), 1)
    (6, tensor([1, 2, 4]))
    """
    _, utterances, _ = _packed_order(num_windows(lengths, window_stride))
    return len(utterances), chosen[utterances].nonzero().flatten()


def _packed_order(windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Order of torch's PackedSequence: its batch sizes (T',), and utterance and step of each window, (W,) both.

    Args:
        windows: (N,), windows of each utterance, on the CPU.
    """
    sorted_windows, order = torch.sort(windows, descending=True, stable=True)
    present = torch.arange(int(sorted_windows[0])).unsqueeze(1) < sorted_windows  # (T', N): one row per step
    steps, rank = present.nonzero(as_tuple=True)
    return present.sum(1), order[rank], steps


def _past_lengths(lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """Booleans (N, T), true for frames past the lengths (N,), which are on the CPU."""
    return torch.arange(frames) >= lengths.unsqueeze(1)


def zeros_past_lengths(features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Features (N, T, F) with zeros past the lengths (N,) of the utterances, which are on the CPU."""
    beyond = _past_lengths(lengths, features.size(1))
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
