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
from cnn_mellin.joint_transfer import move_together
from cnn_mellin.models import AcousticModel
from cnn_mellin.models.windows import WindowPlan
from cnn_mellin.training.objective import can_emit, ctc_losses
from cnn_mellin.training.weight_average import WeightAverage

if TYPE_CHECKING:
    from cnn_mellin.training.data_parallel import DataParallel

__all__ = ["EpochResult", "Stepper", "train_epoch"]

# Updates from one read of the losses to the next. A read waits for the device, which then has nothing to do.
_UPDATES_PER_READ = 50


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

    On an accelerator, an update sends what it needs in one transfer, and nothing waits for the device.

    Args:
        model: model in training mode.
        optimizer: optimizer of the model's parameters, from `make_optimizer` on accelerators.
        config: settings of training; `autocast`, `max_gradient_norm`, `weight_averaging_decay` and
            `intermediate_ctc_weight` are used.

    Attributes:
        average: average of the model's weights; None if the settings have none.
        parallel: this process's part, if several processes update the model together; None for one process.
    """

    def __init__(self, model: AcousticModel, optimizer: torch.optim.Optimizer, config: TrainingConfig) -> None:
        self.model, self.optimizer, self.config = model, optimizer, config
        self.average = WeightAverage(model, config.weight_averaging_decay) if config.weight_averaging_decay else None
        self.parallel: DataParallel | None = None
        self.device = next(model.parameters()).device
        self._dtype = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        scaled = config.autocast and self._dtype == torch.float16
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)

    def __call__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Update the model on a batch, unless its loss or gradient is not finite.

        Args:
            batch: batch on the CPU.

        Returns:
            losses (N,), on the device; booleans (N,), true for references that CTC can emit, on the CPU; and a boolean
            of no dimension, true if loss and gradient were finite, on the device.
        """
        if self.parallel is None:
            losses, emittable, mean = self._gradients(batch, len(batch))
        else:
            losses, emittable, mean = self.parallel.gradients(self._gradients, batch)
        self._scaler.unscale_(self.optimizer)
        finite = torch.isfinite(self._clip_gradients()) & torch.isfinite(mean)
        self._step_if(finite)
        self._scaler.update()  # lowers the scale after a gradient that is not finite
        if self.average is not None:
            self.average.update()
        return losses, emittable, finite

    def _gradients(self, batch: Batch, batch_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Compute the gradients of the part that a batch has in the mean over `batch_size` utterances."""
        plan = self.model.plan_windows(batch.features, batch.lengths)
        emittable = can_emit(plan.lengths, batch.references, batch.reference_lengths)
        num_phones = batch.reference_lengths.clamp(min=1)
        sent = [batch.features, batch.references, num_phones, *plan.device_tensors]
        features, references, num_phones, *indices = move_together(sent, self.device)
        plan = plan.with_device_tensors(indices)
        losses, objective = self._losses(batch, plan, features, references, num_phones)
        mean = objective.mean() if len(objective) == batch_size else objective.sum() / batch_size
        self.optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(mean).backward()
        return losses.detach(), emittable[: len(batch)], mean.detach()

    def _losses(
        self,
        batch: Batch,
        plan: WindowPlan,
        features: torch.Tensor,
        references: torch.Tensor,
        num_phones: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """CTC losses (N,) of a batch whose tensors are on the device, and what training minimises of each utterance."""
        share, reference_lengths = self.config.intermediate_ctc_weight, batch.reference_lengths
        named = slice(len(batch))  # an utterance that only keeps the processes in step has no id
        with torch.autocast(self.device.type, self._dtype, enabled=self.config.autocast):
            if share:
                logits, intermediate, lengths = self.model.intermediate_logits(features, batch.lengths, plan)
            else:
                logits, lengths = self.model(features, batch.lengths, plan)
        losses = ctc_losses(logits, lengths, references, reference_lengths, num_phones)[named]
        if not share:
            return losses, losses
        second = ctc_losses(intermediate, lengths, references, reference_lengths, num_phones)[named]
        return losses, (1 - share) * losses + share * second

    def _clip_gradients(self) -> torch.Tensor:
        """Limit the norm of all gradients, if a limit is set, and return what it was."""
        limit = self.config.max_gradient_norm
        if limit is not None:
            return torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        gradients = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    def _step_if(self, finite: torch.Tensor) -> None:
        """Make the optimizer's step if a boolean is true; otherwise, weights and state stay as they are.

        The CPU does not learn which: a fused optimizer reads the boolean itself, and another one whose state is on the
        device makes the step, which is then undone.
        """
        groups = self.optimizer.param_groups
        if finite.device.type == "cpu" or not all(group.get("fused") or group.get("capturable") for group in groups):
            if finite:
                self.optimizer.step()
        elif all(group.get("fused") for group in groups):
            self.optimizer.grad_scale, self.optimizer.found_inf = None, (~finite).float()  # type: ignore[attr-defined]
            self.optimizer.step()
        else:
            with torch.no_grad():
                before = {id(tensor): tensor.clone() for tensor in self._tensors_of_a_step()}
                self.optimizer.step()
                for tensor in self._tensors_of_a_step():
                    earlier = before.get(id(tensor))  # None after the first step, which makes the state from zeros
                    tensor.copy_(torch.where(finite, tensor, 0 if earlier is None else earlier))

    def _tensors_of_a_step(self) -> list[torch.Tensor]:
        """Weights and state of the optimizer."""
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        return weights + [value for state in self.optimizer.state.values() for value in state.values()]

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
    unread = _UnreadUpdates()
    for batch in batches:
        set_learning_rate(result.num_batches)
        losses, emittable, finite = stepper(batch)
        result.num_batches += 1
        unread.add(batch.utterance_ids, losses, finite)
        if not emittable.all():
            result.not_emittable += [name for name, can in zip(batch.utterance_ids, emittable, strict=True) if not can]
        if len(unread) == _UPDATES_PER_READ:
            unread.read_into(result)
        if stop():
            break
    unread.read_into(result)
    result.seconds = earlier + time.perf_counter() - began
    return result


class _UnreadUpdates:
    """Updates whose losses are still on the device only."""

    def __init__(self) -> None:
        self._updates: list[tuple[list[str], torch.Tensor, torch.Tensor]] = []

    def __len__(self) -> int:
        return len(self._updates)

    def add(self, utterance_ids: list[str], losses: torch.Tensor, finite: torch.Tensor) -> None:
        """Keep the results of an update."""
        self._updates.append((utterance_ids, losses, finite))

    def read_into(self, result: EpochResult) -> None:
        """Copy the results of all updates from the device at once, and add them to those of the epoch."""
        if not self._updates:
            return
        names, losses, finite = zip(*self._updates, strict=True)
        self._updates = []
        sizes = [len(part) for part in losses]
        values = torch.cat([*losses, torch.stack(finite).to(losses[0].dtype)]).cpu()
        *parts, were_finite = values.split([*sizes, len(sizes)])
        for utterance_ids, part, was_finite in zip(names, parts, were_finite.tolist(), strict=True):
            if was_finite:
                result.total_loss += float(part.double().sum())
                result.num_utterances += len(utterance_ids)
            else:
                result.not_finite.append(utterance_ids)
