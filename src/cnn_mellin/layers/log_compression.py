"""Learnable logarithmic compression."""

from __future__ import annotations

from typing import Any

import torch

from cnn_mellin.layers.parameters import add_missing_axis
from cnn_mellin.tensor_kind import require_floating

__all__ = ["LogCompression"]


class LogCompression(torch.nn.Module):
    """Pointwise log(exp(log_eps) + |x|), with log_eps learnt.

    A state dict in which log_eps is a scalar is read, too.

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

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        add_missing_axis(state_dict, f"{prefix}log_eps")
        super()._load_from_state_dict(state_dict, prefix, *more)
