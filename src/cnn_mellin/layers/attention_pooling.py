"""Pooling by attention: a mean over time whose weights are learned scores."""

from __future__ import annotations

import torch

from cnn_mellin.layers.parameters import check_parameter_options
from cnn_mellin.ops.sizes import Size, size_of
from cnn_mellin.tensor_kind import require_floating

__all__ = ["AttentionPooling"]


class AttentionPooling(torch.nn.Module):
    """Weighted mean over time; the weights are the softmax of one learned score per frame.

    The score of a frame is the product of its coefficients with a weight each. They begin at 0, which is the mean over
    time. Over log time, a layer can learn where in a window to look without losing all of its place, as a maximum does.

    Args:
        channels: channels, C.
        num_coefficients: coefficients along frequency, F; 1 for signals without a frequency axis.
        device, dtype: device and dtype of the weights, as in torch's layers.

    Shapes:
        (N, C, T, F) -> (N, C, F), or (N, C, T) -> (N, C).

    Raises:
        ValueError: a size is not a whole number or below 1, or a signal does not fit.

    >>> pooling = AttentionPooling(1)
    >>> pooling(torch.tensor([[[1.0, 3.0]]]))
    tensor([[2.]], grad_fn=<SumBackward1>)
    """

    def __init__(
        self,
        channels: Size,
        num_coefficients: Size = 1,
        *,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.channels = size_of("channels", channels)
        self.num_coefficients = size_of("num_coefficients", num_coefficients)
        check_parameter_options(False, dtype)
        shape = (self.channels, self.num_coefficients)
        self.weight = torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all weights to 0, so that the pooling is the mean."""
        torch.nn.init.zeros_(self.weight)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Pool `hidden`, (N, C, T, F) or (N, C, T), over T."""
        require_floating("hidden", hidden)
        fits = hidden.dim() == 4 or (hidden.dim() == 3 and self.num_coefficients == 1)
        if not fits or (hidden.shape[1], *hidden.shape[3:]) != self.weight.shape[: hidden.dim() - 2]:
            raise ValueError(
                f"hidden has shape {tuple(hidden.shape)}; it must be (N, {self.channels}, T, {self.num_coefficients})"
            )
        vectors = hidden.transpose(1, 2).flatten(2)  # (N, T, C F)
        weights = torch.matmul(vectors, self.weight.flatten()).softmax(1)
        weights = weights.unsqueeze(1) if hidden.dim() == 3 else weights.unsqueeze(1).unsqueeze(3)
        return (hidden * weights).sum(2)

    def extra_repr(self) -> str:
        """Sizes, as shown by repr."""
        return f"{self.channels}, num_coefficients={self.num_coefficients}"
