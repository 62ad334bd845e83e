"""Learning-rate schedule, learning-rate drops and early stopping."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from cnn_mellin.config.training import TrainingConfig

__all__ = ["PatienceMonitor", "Schedule", "learning_rate_factor"]

_LOWEST_FACTOR = 0.01


def learning_rate_factor(update: int, num_updates: int, config: TrainingConfig) -> float:
    """Factor of the learning rate at an update: linear warm-up, then 1, then half a cosine down to 1 %.

    Args:
        update: number of the update, from 0.
        num_updates: number of updates of the whole training; 0 if unknown, which makes the factor 1.
        config: settings of training; `learning_rate_warmup_proportion` and `learning_rate_decay_proportion` are used.

    >>> config = TrainingConfig(learning_rate_decay_proportion=0.5)
    >>> [round(learning_rate_factor(update, 101, config), 2) for update in (0, 50, 75, 100)]
    [1.0, 1.0, 0.51, 0.01]
    """
    if num_updates < 2:
        return 1.0
    place = update / (num_updates - 1)
    warmup, decay = config.learning_rate_warmup_proportion, config.learning_rate_decay_proportion
    factor = min(1.0, (update + 1) / (warmup * num_updates)) if warmup else 1.0
    if decay and place > 1 - decay:
        fall = (1 + math.cos(math.pi * (place - 1 + decay) / decay)) / 2
        factor *= _LOWEST_FACTOR + (1 - _LOWEST_FACTOR) * fall
    return factor


@dataclass
class PatienceMonitor:
    """Monitor that triggers if a value does not fall by `threshold` within `patience` epochs.

    Args:
        threshold: smallest fall that counts; 0 switches the monitor off.
        patience: number of epochs without such a fall before it triggers.
        burnin: number of first epochs that are not watched.
        cooldown: number of epochs that are not watched after it triggered.
        best, waited, resting: state; lowest value so far, epochs without a fall, and epochs still not watched.

    >>> monitor = PatienceMonitor(threshold=1.0, patience=2, burnin=0)
    >>> [monitor.triggered(value) for value in (50.0, 49.5, 49.2, 47.0)]
    [False, False, True, False]
    """

    threshold: float
    patience: int
    burnin: int
    cooldown: int = 0
    best: float = math.inf
    waited: int = 0
    resting: int = field(default=-1)

    def triggered(self, value: float) -> bool:
        """Take the value of an epoch; return true if the patience has run out."""
        if not self.threshold:
            return False
        if self.resting < 0:
            self.resting = self.burnin
        if self.resting:
            self.resting -= 1
            self.best = min(self.best, value)
            return False
        if value <= self.best - self.threshold:
            self.best, self.waited = value, 0
            return False
        self.waited += 1
        if self.waited < self.patience:
            return False
        self.waited, self.resting = 0, self.cooldown
        return True


class Schedule:
    """Learning rate and end of a training, as the dev results of its epochs decide.

    Args:
        config: settings of training; those of early stopping and of learning-rate drops are used.

    >>> schedule = Schedule(TrainingConfig(reduce_lr_threshold=1.0, reduce_lr_factor=0.5))
    >>> [schedule.after_epoch(value) for value in (50.0, 50.0)], schedule.learning_rate
    ([False, False], 5e-05)
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.learning_rate = config.learning_rate
        self._stopping = PatienceMonitor(
            config.early_stopping_threshold, config.early_stopping_patience, config.early_stopping_burnin
        )
        self._reduction = PatienceMonitor(
            config.reduce_lr_threshold,
            config.reduce_lr_patience,
            config.reduce_lr_burnin,
            config.reduce_lr_cooldown,
        )

    def after_epoch(self, value: float) -> bool:
        """Take the dev result of an epoch; return true if training should stop."""
        if self._reduction.triggered(value):
            reduced = self.learning_rate * self.config.reduce_lr_factor
            if self.learning_rate - reduced >= 10.0**self.config.reduce_lr_log10_epsilon:
                self.learning_rate = reduced
        return self._stopping.triggered(value)

    def state_dict(self) -> dict[str, Any]:
        """State that changes from epoch to epoch."""
        return {
            "learning_rate": self.learning_rate,
            "stopping": asdict(self._stopping),
            "reduction": asdict(self._reduction),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a `state_dict`."""
        self.learning_rate = state["learning_rate"]
        self._stopping = PatienceMonitor(**state["stopping"])
        self._reduction = PatienceMonitor(**state["reduction"])
