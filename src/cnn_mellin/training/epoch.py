"""One epoch of training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from cnn_mellin.config.training import TrainingConfig
from cnn_mellin.data.batch import Batch
from cnn_mellin.models import AcousticModel
from cnn_mellin.training.objective import ctc_objective

if TYPE_CHECKING:
    from cnn_mellin.training.data_parallel import DataParallel

__all__ = ["EpochResult", "Stepper", "train_epoch"]


@dataclass
class EpochResult:
    """Result of an epoch, or of its first batches.

    Args:
        total_loss: summed loss of the utterances in batches with a finite loss and gradient.
        num_utterances: number of utterances in those batches.
        num_batches: number of all batches.
        not_emittable: ids of utterances whose reference CTC could not emit; their loss counts as zero.
        not_finite: utterance ids of each batch whose loss or gradient was not finite; such a batch updates nothing.
        seconds: time spent.
    """

    total_loss: float = 0.0
    num_utterances: int = 0
    num_batches: int = 0
    not_emittable: list[str] = field(default_factory=list)
    not_finite: list[list[str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def train_loss(self) -> float:
        """Mean loss per utterance; NaN without utterances."""
        return self.total_loss / self.num_utterances if self.num_utterances else math.nan


class Stepper:
    """Updates a model on one batch at a time.

    Args:
        model: model in training mode.
        optimizer: optimizer of the model's parameters.
        config: settings of training; `autocast` and `max_gradient_norm` are used.

    Attributes:
        parallel: this process's part, if several processes update the model together; None for one process.
    """

    def __init__(self, model: AcousticModel, optimizer: torch.optim.Optimizer, config: TrainingConfig) -> None:
        self.model, self.optimizer, self.config = model, optimizer, config
        self.parallel: DataParallel | None = None
        self.device = next(model.parameters()).device
        self._dtype = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        scaled = config.autocast and self._dtype == torch.float16
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, bool]:
        """Update the model on a batch.

        Returns:
            losses (N,); booleans (N,), true for references that CTC can emit; true if loss and gradient were finite.
        """
        if self.parallel is None:
            losses, emittable, mean = self._gradients(batch, len(batch))
        else:
            losses, emittable, mean = self.parallel.gradients(self._gradients, batch)
        self._scaler.unscale_(self.optimizer)
        limit = math.inf if self.config.max_gradient_norm is None else self.config.max_gradient_norm
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        finite = bool(torch.isfinite(norm) & torch.isfinite(mean))
        if finite or self._scaler.is_enabled():  # a scaler skips an update that is not finite, and lowers its scale
            self._scaler.step(self.optimizer)
            self._scaler.update()
        return losses, emittable, finite

    def _gradients(self, batch: Batch, batch_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute the gradients of the part that a batch has in the mean over `batch_size` utterances."""
        with torch.autocast(self.device.type, self._dtype, enabled=self.config.autocast):
            logits, lengths = self.model(batch.features, batch.lengths)
        objective = ctc_objective(logits, lengths, batch.references, batch.reference_lengths)
        losses = objective.losses[: len(batch)]  # one that only keeps the processes in step has no id
        mean = objective.mean if len(batch) == batch_size else losses.sum() / batch_size
        self.optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(mean).backward()
        return losses.detach(), objective.emittable[: len(batch)], mean.detach()

    def state_dict(self) -> dict[str, object]:
        """State of the loss scaling; empty if it is off."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore a `state_dict`."""
        if state:
            self._scaler.load_state_dict(state)


def train_epoch(
    stepper: Stepper,
    batches: Iterable[Batch],
    set_learning_rate: Callable[[int], None] = lambda _: None,
    *,
    partial: EpochResult | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> EpochResult:
    """Update a model on every batch.

    Args:
        stepper: updates the model.
        batches: batches of the epoch, or those that remain, in order.
        set_learning_rate: called before each update with its number in the epoch, from 0.
        partial: partial result of the epoch being resumed.
        stop: called after each update; if it returns true, the remaining batches are left out.
    """
    began = time.perf_counter()
    stepper.model.train()
    result = EpochResult() if partial is None else partial
    earlier = result.seconds
    for batch in batches:
        set_learning_rate(result.num_batches)
        losses, emittable, finite = stepper(batch.to(stepper.device))
        result.num_batches += 1
        if finite:
            result.total_loss += float(losses.cpu().double().sum())
            result.num_utterances += len(batch)
        else:
            result.not_finite.append(batch.utterance_ids)
        if not emittable.all():
            result.not_emittable += [name for name, can in zip(batch.utterance_ids, emittable, strict=True) if not can]
        if stop():
            break
    result.seconds = earlier + time.perf_counter() - began
    return result
