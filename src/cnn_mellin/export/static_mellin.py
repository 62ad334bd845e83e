"""Mellin layers for a known number of frames, traced by the gather formulation, whose operations ONNX has."""

from __future__ import annotations

import torch

from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d
from cnn_mellin.ops.geometry import geometry_of
from cnn_mellin.ops.plain_formulations import correlate_plainly

__all__ = ["StaticMellin"]


class StaticMellin(torch.nn.Module):
    """A Mellin layer for a fixed number of frames: gathered frames and convolutions with constant weights.

    Args:
        layer: layer whose output it computes.
        num_frames: frames of its input.

    Raises:
        ValueError: the layer has no output_length.

    >>> from cnn_mellin.layers import MellinConv1d
    >>> layer, signal = MellinConv1d(2, 3, 4, output_length=5), torch.randn(1, 2, 6)
    >>> torch.allclose(StaticMellin(layer, 6)(signal), layer(signal), atol=1e-6)
    True
    """

    def __init__(self, layer: MellinConv1d | MellinLinearConv2d, num_frames: int) -> None:
        super().__init__()
        if layer.output_length is None:
            raise ValueError("layer has no output_length; give it one, as acoustic models do")
        self._num_frames = num_frames
        self._along_time = (layer.output_offset, layer.kernel_offset, layer.input_dilation, layer.output_length)
        self._is_1d = isinstance(layer, MellinConv1d)
        self._along_frequency: tuple[int, int, tuple[int, ...]] = (1, 1, (0, 0))
        if isinstance(layer, MellinLinearConv2d):
            self._along_frequency = (layer.stride, layer.dilation, layer.padding)
        self._kernel = layer.weight.detach().unsqueeze(3) if self._is_1d else layer.weight.detach()
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T, F) or (N, C, T)."""
        if self._is_1d:
            signal = signal.unsqueeze(3)
        # Sizes of a traced tensor are tensors; all but the size of the batch must become constants.
        shape = (1, self._kernel.size(1), self._num_frames, int(signal.size(3)))
        geometry = geometry_of(shape, self._kernel.shape, self._along_time, self._along_frequency)
        out = correlate_plainly(signal, self._kernel, self._bias, geometry, "gather")
        return out.squeeze(3) if self._is_1d else out
