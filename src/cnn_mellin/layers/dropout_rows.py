"""Dropout of a batch that several processes share: each draws for the whole batch, and uses the rows that it computes.

The numbers that are dropped are then those that a single process drops, whatever the number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["DropoutRows", "channel_dropout", "dropout"]


@dataclass(frozen=True)
class DropoutRows:
    """Rows of a whole batch that are computed here.

    Args:
        num_rows: number of rows of the whole batch.
        rows: (W,), the rows that are computed here, rising.
    """

    num_rows: int
    rows: torch.Tensor

    def repeated(self, times: int) -> DropoutRows:
        """The same for rows each of which has become this many adjacent ones.

        >>> DropoutRows(3, torch.tensor([0, 2])).repeated(2)
        DropoutRows(num_rows=6, rows=tensor([0, 1, 4, 5]))
        """
        rows = self.rows.unsqueeze(1) * times + torch.arange(times, device=self.rows.device)
        return DropoutRows(self.num_rows * times, rows.flatten())


def dropout(
    hidden: torch.Tensor, prob: float, rows: DropoutRows | None = None, *, as_in_place: bool = False
) -> torch.Tensor:
    """Zero each number with a probability, and scale the others up.

    Args:
        hidden: (W, ...).
        prob: probability that a number becomes zero, in 0..1.
        rows: rows of a whole batch that `hidden` holds; None if it holds them all.
        as_in_place: with `rows`, drop the numbers that torch's in-place dropout drops, which are others on CUDA.

    >>> hidden, rows = torch.ones(2, 8), DropoutRows(5, torch.tensor([1, 4]))
    >>> with torch.random.fork_rng(devices=[]):
    ...     some = dropout(hidden, 0.5, rows) if torch.manual_seed(1) else None
    ...     whole = dropout(torch.ones(5, 8), 0.5) if torch.manual_seed(1) else None
    >>> torch.equal(some, whole[[1, 4]])
    True
    """
    if rows is None or not prob:
        return torch.nn.functional.dropout(hidden, prob, True)
    ones = hidden.new_ones(rows.num_rows, *hidden.shape[1:])
    return hidden * _rows_of(torch.nn.functional.dropout(ones, prob, True, as_in_place), rows)


def channel_dropout(hidden: torch.Tensor, prob: float, rows: DropoutRows | None = None) -> torch.Tensor:
    """Zero each channel with a probability, and scale the others up.

    Args:
        hidden: (W, C, ...), with one or two more axes.
        prob: probability that a channel becomes zero, in 0..1.
        rows: rows of a whole batch that `hidden` holds; None if it holds them all.
    """
    whole_channels = torch.nn.functional.dropout1d if hidden.dim() == 3 else torch.nn.functional.dropout2d
    if rows is None or not prob:
        return whole_channels(hidden, prob, True)
    ones = hidden.new_ones(rows.num_rows, hidden.size(1), *[1] * (hidden.dim() - 2))
    return hidden * _rows_of(whole_channels(ones, prob, True), rows)


def _rows_of(factors: torch.Tensor, rows: DropoutRows) -> torch.Tensor:
    return factors.index_select(0, rows.rows.to(factors.device))
