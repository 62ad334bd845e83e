"""Mellin layers for a known number of frames, of operations that ONNX has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cnn_mellin.ops.index_plan import TapGroup, tap_groups

if TYPE_CHECKING:
    from cnn_mellin.layers import MellinConv1d, MellinLinearConv2d

__all__ = ["StaticMellin"]


class StaticMellin(torch.nn.Module):
    """A Mellin layer whose frames are known: gathered frames and convolutions with constant weights.

    Args:
        layer: whose result it gives.
        num_frames: of its input.

    >>> from cnn_mellin.layers import MellinConv1d
    >>> layer, signal = MellinConv1d(2, 3, 4, output_length=5), torch.randn(1, 2, 6)
    >>> torch.allclose(StaticMellin(layer, 6)(signal), layer(signal), atol=1e-6)
    True
    """

    def __init__(self, layer: MellinConv1d | MellinLinearConv2d, num_frames: int) -> None:
        super().__init__()
        if layer.output_length is None:
            raise ValueError("layer has no output_length; give it one, as acoustic models do")
        kernel = layer.weight.detach()
        self._raw = kernel.dim() == 3
        kernel = kernel.unsqueeze(3) if self._raw else kernel
        self._freq_stride: int = getattr(layer, "stride", 1)
        self._freq_dilation: int = getattr(layer, "dilation", 1)
        self._padding: tuple[int, int] = getattr(layer, "padding", (0, 0))
        bias = torch.zeros(len(kernel)) if layer.bias is None else layer.bias.detach()
        self._bias = bias.view(-1, 1, 1)
        offsets = (layer.output_offset, layer.kernel_offset, layer.input_dilation)
        plan = tap_groups(num_frames, kernel.size(2), *offsets, layer.output_length)
        self._groups = []  # of outputs, their weight, and the frames that it reads
        # Without any tap, one that reads the zero behind the signal.
        for group in plan.groups or (TapGroup(1, (0,), (num_frames,)),):
            size = kernel.size(1) * len(group.kernel_frames)
            weight = kernel[:, :, list(group.kernel_frames)].reshape(len(kernel), size, 1, kernel.size(3))
            self._groups.append((group.num_outputs, weight, torch.tensor(group.input_frames)))
        self._order = torch.tensor(plan.order)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T, F) or (N, C, T)."""
        if self._raw:
            signal = signal.unsqueeze(3)
        signal = torch.nn.functional.pad(signal, (*self._padding, 0, 1))  # the frame past the end is a zero to read
        stride, dilation = (1, self._freq_stride), (1, self._freq_dilation)
        outputs = []
        for num_outputs, weight, frames in self._groups:
            read = signal.index_select(2, frames).reshape(-1, weight.size(1), num_outputs, signal.size(3))
            outputs.append(torch.nn.functional.conv2d(read, weight, None, stride, dilation=dilation))
        outputs.append(torch.zeros_like(outputs[0][:, :, :1]))  # for frames without a tap
        out = torch.cat(outputs, 2).index_select(2, self._order) + self._bias
        return out.squeeze(3) if self._raw else out
