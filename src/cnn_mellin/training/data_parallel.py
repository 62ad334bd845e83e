"""Training with several processes: each computes a share of every batch, and all make the same update.

The mean over the whole batch decides, however it is shared out: gradients are summed over the processes before they are
clipped and checked, and dropout and augmentation of an utterance do not depend on the share that it is in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mellin.data.batch import Batch
from cnn_mellin.layers.dropout_rows import DropoutRows
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.windows import rows_of_utterances
from cnn_mellin.training.epoch import EpochResult
from cnn_mellin.training.memory_shortage import naming_memory_shortage
from cnn_mellin.training.process_group import ProcessGroup

__all__ = ["DataParallel", "Pause", "share_out"]


class Pause(IntEnum):
    """Why updates pause, after an update or before the first.

    Of several processes, the one with the highest reason decides.
    """

    NONE = 0
    SAVE = 1
    STOP = 2
    FAILURE = 3


def share_out(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Share the utterances of a batch out among processes, so that each has about as many frames.

    Args:
        lengths: (N,), frames of each utterance.
        size: number of processes.

    Returns:
        for each process, the positions of its utterances in the batch, rising; empty if there are fewer than processes.

    >>> share_out([5, 90, 50, 60], 2)
    [[0, 1], [2, 3]]
    """
    most = -(-len(lengths) // size)
    shares: list[list[int]] = [[] for _ in range(size)]
    frames = [0] * size
    for position in sorted(range(len(lengths)), key=lambda position: -lengths[position]):
        free = [process for process in range(size) if len(shares[process]) < most]
        process = min(free, key=lambda process: frames[process])
        shares[process].append(position)
        frames[process] += lengths[position]
    return [sorted(share) for share in shares]


@dataclass(frozen=True)
class _Share:
    """Share of a batch: number of utterances of the whole batch, and windows of this share, None without dropout."""

    batch_size: int
    dropout_rows: DropoutRows | None


class DataParallel:
    """This process's part in the training of a model by several processes.

    Args:
        group: the processes, two or more.
        model: the model, with the same weights in every process.
        num_frames: (U,), number of frames of each utterance of the training data.
    """

    def __init__(self, group: ProcessGroup, model: AcousticModel, num_frames: NDArray[np.int64]) -> None:
        self.group, self._model, self._num_frames = group, model, num_frames
        self._parameters = list(model.parameters())
        first = self._parameters[0]
        group.connect(first.device)
        total = sum(parameter.numel() for parameter in self._parameters)
        self._sums = torch.zeros(total + 1, dtype=first.dtype, device=first.device)
        self._shares: deque[_Share] = deque()
        self._failure: Exception | None = None
        self._place = ""

    def own_batches(self, plan: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Utterances of each batch that this process loads: its share, or the first one if its share is empty.

        Args:
            plan: indices of the utterances of each batch.
        """
        for indices in plan:
            yield [indices[position] for position in self._positions(indices)[self.group.rank] or [0]]

    def in_step(
        self, batches: Iterable[Batch], plan: Sequence[Sequence[int]], pause: Callable[[], Pause], place: str
    ) -> Iterator[Batch]:
        """Yield this process's share of each batch, until any process asks for a pause.

        Args:
            batches: batches of the utterances of `own_batches`.
            plan: indices of the utterances of each whole batch.
            pause: called after each update.
            place: beginning of the message if memory runs out, such as the model folder and the epoch.

        Raises:
            Exception: loading a batch, or an update, failed in this process.
            OtherProcessError: it failed in another.
        """
        loaded, self._place = iter(batches), place
        for number, indices in enumerate(plan):
            positions = self._positions(indices)
            own = positions[self.group.rank]
            batch, reason = None, Pause.NONE
            if self._failure is None:
                try:
                    with naming_memory_shortage(place):
                        batch = next(loaded)
                    reason = pause() if number else Pause.NONE
                except Exception as error:
                    self._failure = error
            lengths = batch.lengths.tolist()[: len(own)] if batch is not None else []
            most = max(map(len, positions))
            everyone = self._agree(reason, [*lengths, *[0] * (most - len(lengths))])
            if everyone is None or batch is None:
                return
            self._shares.append(_Share(len(indices), self._dropout_rows(positions, everyone)))
            yield batch if own else replace(batch, utterance_ids=[])
        self._agree(Pause.NONE, [])

    def gradients(
        self, compute: Callable[[Batch, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]], batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute this process's part of the gradients of a batch, and sum them over the processes.

        A failure is raised in all processes before the next batch.

        Args:
            compute: computes the gradients of a share's part of the mean over a batch of so many utterances; returns
                losses (N,), booleans (N,) and that part of the mean.
            batch: batch from `in_step`.

        Returns:
            losses and booleans of this share; mean of the whole batch.
        """
        share = self._shares.popleft()
        self._model.dropout_rows = share.dropout_rows
        try:
            with naming_memory_shortage(self._place):
                losses, emittable, mean = compute(batch, share.batch_size)
            for parameter, sums in self._sums_of_parameters():
                if parameter.grad is None:
                    sums.zero_()
                else:
                    sums.copy_(parameter.grad)
                parameter.grad = sums
            self._sums[-1] = mean
        except Exception as error:
            self._failure = error
            losses, emittable = torch.zeros(len(batch)), torch.ones(len(batch), dtype=torch.bool)
            self._sums.zero_()
            for parameter, sums in self._sums_of_parameters():
                parameter.grad = sums
        finally:
            self._model.dropout_rows = None
        self.group.sum(self._sums)
        return losses, emittable, self._sums[-1]

    def merged(self, result: EpochResult) -> EpochResult:
        """Result of the whole batches, from the results of the shares of all processes."""
        parts = self.group.gather(result)
        return EpochResult(
            sum(part.total_loss for part in parts),
            sum(part.num_utterances for part in parts),
            result.num_batches,
            [name for part in parts for name in part.not_emittable],
            [
                [name for names in shares for name in names]
                for shares in zip(*(p.not_finite for p in parts), strict=True)
            ],
            max(part.seconds for part in parts),
        )

    def _positions(self, indices: Sequence[int]) -> list[list[int]]:
        return share_out(self._num_frames[list(indices)].tolist(), self.group.size)

    def _agree(self, reason: Pause, lengths: Sequence[int]) -> list[list[int]] | None:
        """Lengths that all processes have sent; None if they pause, with `group.stopping` set if they stop."""
        reason = Pause.FAILURE if self._failure is not None else reason
        everyone = self.group.exchange([reason, *lengths])
        agreed = max(numbers[0] for numbers in everyone)
        if agreed == Pause.FAILURE:
            self.group.raise_together(self._failure)
        self.group.stopping = self.group.stopping or agreed == Pause.STOP
        return None if agreed else [numbers[1:] for numbers in everyone]

    def _dropout_rows(self, positions: list[list[int]], lengths: list[list[int]]) -> DropoutRows | None:
        if not self._model.dropout_prob:
            return None
        whole = torch.zeros(sum(map(len, positions)), dtype=torch.int64)
        for places, theirs in zip(positions, lengths, strict=True):
            whole[places] = torch.tensor(theirs[: len(places)], dtype=torch.int64)
        chosen = torch.zeros(len(whole), dtype=torch.bool)
        chosen[positions[self.group.rank] or [0]] = True
        num_rows, rows = rows_of_utterances(whole, chosen, self._model.config.window_stride)
        return DropoutRows(num_rows, rows.to(self._sums.device))

    def _sums_of_parameters(self) -> Iterator[tuple[torch.nn.Parameter, torch.Tensor]]:
        """Each parameter, and the summed gradient of it."""
        begin = 0
        for parameter in self._parameters:
            end = begin + parameter.numel()
            yield parameter, self._sums[begin:end].view_as(parameter)
            begin = end
