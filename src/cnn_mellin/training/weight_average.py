"""Averages of a model's weights: the exponential moving average of a training, and the mean of some epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["WeightAverage", "mean_weights"]


class WeightAverage:
    """An exponential moving average of a model's weights over the updates of a training.

    After update n, from 1, the average is a <- a + (w - a) (1 - min(decay, n / (n + 10))): the initial weights, which
    a constant decay would remember for long, hardly count. `torch.optim.swa_utils.AveragedModel` asks the device at
    every update how many it has averaged, which would wait for it.

    Args:
        model: model whose weights are averaged; the average begins with its present weights.
        decay: share of the average that an update leaves as it was, 0 <= decay < 1; with 0 the average is the weights.

    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> _ = model.weight.data.fill_(0)
    >>> average = WeightAverage(model, decay=0.9)
    >>> _ = model.weight.data.fill_(11)
    >>> average.update()  # leaves 1/11 of the average as it was
    >>> with average.applied():
    ...     round(model.weight.item(), 3)
    10.0
    >>> model.weight.item()
    11.0
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self._model, self._decay, self._num_updates = model, decay, 0
        self._average = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    def _weights(self) -> list[torch.Tensor]:
        return [weight.detach() for _, weight in self._model.named_parameters()]

    def update(self) -> None:
        """Take the model's present weights into the average."""
        self._num_updates += 1
        kept = min(self._decay, self._num_updates / (self._num_updates + 10))
        torch._foreach_lerp_(list(self._average.values()), self._weights(), 1 - kept)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block, the model has the averaged weights."""
        weights = [weight.clone() for weight in self._weights()]
        torch._foreach_copy_(self._weights(), list(self._average.values()))
        try:
            yield
        finally:
            torch._foreach_copy_(self._weights(), weights)

    def model_state(self) -> dict[str, torch.Tensor]:
        """State dict of the model with the averaged weights."""
        return {**self._model.state_dict(), **self._average}

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed training needs in addition to the averaged weights, which `model_state` has."""
        return {"num_updates": self._num_updates, "model": self._model.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a `state_dict`; the model must have the averaged weights, which it exchanges for its own."""
        torch._foreach_copy_(list(self._average.values()), self._weights())
        self._model.load_state_dict(state["model"])
        self._num_updates = state["num_updates"]


def mean_weights(states: Iterable[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Mean of several state dicts with floating-point tensors of equal names and shapes, computed in float64.

    Args:
        states: at least one state dict; each is forgotten before the next is read.

    >>> mean_weights([{"w": torch.tensor([1.0, 5.0])}, {"w": torch.tensor([2.0, 5.0])}])
    {'w': tensor([1.5000, 5.0000])}
    """
    total: dict[str, torch.Tensor] = {}
    types: dict[str, torch.dtype] = {}
    count = 0
    for state in states:
        count += 1
        for name, value in state.items():
            types[name] = value.dtype
            total[name] = total[name] + value.double() if name in total else value.double()
    return {name: (value / count).to(types[name]) for name, value in total.items()}
