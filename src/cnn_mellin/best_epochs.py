"""The best epochs of a training, whose weights are averaged into those of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BestEpochs"]


@dataclass(frozen=True)
class BestEpochs:
    """The epochs of a training with the lowest phone error rates on dev.

    Args:
        number: how many, at least 1.

    Raises:
        ValueError: `number` is below 1.

    >>> str(BestEpochs(5))
    'best5'
    """

    number: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"number is {self.number}; it must be at least 1")

    def __str__(self) -> str:
        return f"best{self.number}"

    def of(self, values: Sequence[float]) -> list[int]:
        """Numbers of these epochs, from 1, in order; of equal ones the first.

        Args:
            values: phone error rate on dev, or another measure of which less is better, after each epoch.

        Raises:
            ValueError: there are fewer epochs.

        >>> BestEpochs(3).of([90.0, 40.0, 42.0, 40.0, 41.0])
        [2, 4, 5]
        """
        if len(values) < self.number:
            raise ValueError(f"{self}: fewer epochs were trained ({len(values)})")
        ranked = sorted(enumerate(values, start=1), key=lambda epoch: epoch[1])
        return sorted(number for number, _ in ranked[: self.number])
