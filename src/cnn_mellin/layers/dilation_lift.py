"""Learnable lift that makes the Mellin correlation of a signal invariant to the scale of a dilation."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from cnn_mellin.layers.parameters import add_missing_axis
from cnn_mellin.ops.sizes import whole_number
from cnn_mellin.tensor_kind import require_floating

__all__ = ["DilationLift"]


class DilationLift(torch.nn.Module):
    """Multiplies sample t = 1, 2, ..., T along one axis by t^exp(log_tau), with log_tau learnt.

    A state dict in which log_tau is a scalar is read, too, with a warning: the earlier program that wrote such files
    lifted along frequency, so that its models give other outputs here.

    Args:
        dim: time axis.
        device, dtype: device and dtype of the parameter, as in torch's layers.

    Raises:
        ValueError: `dim` is not a whole number, or not an axis of the signal; or the signal is not floating-point or
            complex.

    Shapes:
        any shape with an axis `dim` -> the same shape.

    >>> layer = DilationLift(dim=1)
    >>> _ = torch.nn.init.zeros_(layer.log_tau)
    >>> layer(torch.ones(1, 3)).tolist()
    [[1.0, 2.0, 3.0]]
    """

    def __init__(
        self, dim: int, *, device: torch.device | str | int | None = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.dim = whole_number("dim", dim)
        self.log_tau = torch.nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise log_tau from N(0, 1)."""
        torch.nn.init.normal_(self.log_tau)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Lift `signal` along its time axis."""
        require_floating("signal", signal, also_complex=True)
        if not -signal.dim() <= self.dim < signal.dim():
            raise ValueError(
                f"signal has {signal.dim()} axes, but dim, the time axis, is {self.dim}; it must be one of them"
            )
        length = signal.size(self.dim)
        time = torch.arange(1, length + 1, device=signal.device, dtype=signal.dtype)
        shape = [1] * signal.dim()
        shape[self.dim] = length
        return signal * (time ** self.log_tau.exp().to(signal.dtype)).view(shape)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        if add_missing_axis(state_dict, f"{prefix}log_tau"):
            warnings.warn(
                f"{prefix}log_tau is a scalar, so that this lift was trained along frequency; it is applied along time",
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, *more)

    def extra_repr(self) -> str:
        """The time axis, as shown by repr."""
        return f"dim={self.dim}"
