"""Learnable lift that makes the Mellin correlation of a signal invariant to its dilation's scale."""

from __future__ import annotations

import torch

from cnn_mellin.ops.sizes import whole_number
from cnn_mellin.tensor_kind import require_floating

__all__ = ["DilationLift"]


class DilationLift(torch.nn.Module):
    """Multiplies sample t = 1, 2, ..., T along one axis by t^exp(log_tau), with log_tau learnt.

    Args:
        dim: the axis of time.
        device, dtype: of the parameter, as in torch's layers.

    Raises:
        ValueError: `dim` is no whole number or no axis of the signal, or a signal is not floating-point or complex.

    Shapes:
        any with an axis `dim` -> the same.

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
        """Draw log_tau from N(0, 1)."""
        torch.nn.init.normal_(self.log_tau)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Lift `signal` along the axis of time."""
        require_floating("signal", signal, also_complex=True)
        if not -signal.dim() <= self.dim < signal.dim():
            raise ValueError(f"signal has {signal.dim()} axes, but the axis of time is {self.dim}; it must have one")
        length = signal.size(self.dim)
        time = torch.arange(1, length + 1, device=signal.device, dtype=signal.dtype)
        shape = [1] * signal.dim()
        shape[self.dim] = length
        return signal * (time ** self.log_tau.exp().to(signal.dtype)).view(shape)

    def extra_repr(self) -> str:
        """The axis of time."""
        return f"dim={self.dim}"
