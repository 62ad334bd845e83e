"""Learnable logarithmic compression."""

from __future__ import annotations

import torch

from cnn_mellin.tensor_kind import require_floating

__all__ = ["LogCompression"]


class LogCompression(torch.nn.Module):
    """Pointwise log(exp(log_eps) + |x|), with log_eps learnt.

    Args:
        device, dtype: device and dtype of the parameter, as in torch's layers.

    Raises:
        ValueError: a signal is not floating-point or complex.

    Shapes:
        any shape -> the same shape.

    >>> layer = LogCompression()
    >>> _ = torch.nn.init.zeros_(layer.log_eps)
    >>> layer(torch.tensor([0.0])).item()
    0.0
    """

    def __init__(self, *, device: torch.device | str | int | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.log_eps = torch.nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise log_eps from N(0, 1)."""
        torch.nn.init.normal_(self.log_eps)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Compress `signal`, of any shape."""
        require_floating("signal", signal, also_complex=True)
        return (self.log_eps.exp() + signal.abs()).log()
