"""A front end that hears log time: windows that begin at anchors, correlated and pooled over log time."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch

from cnn_mellin.ops.tap_table import TapTable, linear_tap_table, mellin_tap_table
from cnn_mellin.ops.window_correlation import correlate_windows, num_windows

__all__ = ["LogTimeFrontEnd", "TimePooling", "pool_time"]

TimePooling = Literal["sum", "mean", "max", "logsumexp"]


def pool_time(hidden: torch.Tensor, pooling: TimePooling, dim: int) -> torch.Tensor:
    """One value per position of the other axes, from all along one axis.

    Args:
        hidden: any shape.
        pooling: sum, mean, max, or log-sum-exp (a maximum with a gradient to every output).
        dim: the axis, which goes.

    Raises:
        ValueError: there is no such pooling.

    >>> pool_time(torch.tensor([[1.0, 3.0]]), "max", 1)
    tensor([3.])
    """
    if pooling == "max":
        return hidden.amax(dim)
    if pooling == "logsumexp":
        return hidden.logsumexp(dim)
    if pooling in ("sum", "mean"):
        return hidden.sum(dim) if pooling == "sum" else hidden.mean(dim)
    raise ValueError(f"pooling is {pooling!r}; it must be one of {', '.join(get_args(TimePooling))}, or None")


class LogTimeFrontEnd(torch.nn.Module):
    """Cuts windows at anchors, correlates each with a kernel in log time, and pools over log time.

    Speech that begins at an anchor and is stretched by a factor about it moves along the log-time axis of the window's
    outputs and keeps its values, so that a maximum over the axis stays where it was, up to the window's edges. With
    `log_time=False` the correlation is an ordinary one over the same windows, kernel and pooling: the layer to compare
    with, as windows and pooling by themselves bear some change of rate.

    Args:
        in_channels, out_channels: channels of the signal and of the output; coefficients of a frame are channels.
        kernel_size: rows of the kernel, K.
        window_size: frames in a window; a window that runs past the end of the signal sees zeros there.
        window_stride: frames from anchor to anchor.
        kernel_offset: d: outputs compare frames in the ratios d, d + 1, ..., d + K - 1 (places from 1 in the window).
            No output sees the first d - 1 frames of a window. Without effect on an ordinary correlation.
        pooling: sum, mean, max or logsumexp over the outputs of a window; None keeps them side by side.
        log_time: correlate in log time; False correlates in time.
        bias: learn a bias.
        device, dtype: as in torch's layers.

    Shapes:
        (N, in_channels, T) -> (N, out_channels, A), or (N, out_channels * L, A) side by side. There is an anchor every
        `window_stride` frames, A = (T - 1) // window_stride + 1, and L outputs per window: window_size //
        kernel_offset in log time, window_size - kernel_size + 1 in time.

    Raises:
        ValueError: a size is too small, the kernel does not fit into the window, or there is no such pooling.

    >>> layer = LogTimeFrontEnd(41, 32, kernel_size=12, window_size=48, window_stride=2, kernel_offset=4)
    >>> layer(torch.zeros(2, 41, 99)).shape
    torch.Size([2, 32, 50])
    >>> len(layer.tap_table().live_rows)
    12
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        window_size: int,
        window_stride: int = 1,
        kernel_offset: int = 1,
        pooling: TimePooling | None = "max",
        log_time: bool = True,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        sizes = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "kernel_size": kernel_size,
            "window_size": window_size,
            "window_stride": window_stride,
            "kernel_offset": kernel_offset,
        }
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        least = kernel_offset if log_time else kernel_size
        if window_size < least:
            name = "kernel_offset" if log_time else "kernel_size"
            raise ValueError(f"window_size is {window_size}; it must be at least {name}, {least}, for one output")
        if pooling is not None and pooling not in get_args(TimePooling):
            pool_time(torch.zeros(1), pooling, 0)  # which says so
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.window_size, self.window_stride, self.kernel_offset = window_size, window_stride, kernel_offset
        self.pooling, self.log_time = pooling, log_time
        self.weight = torch.nn.Parameter(
            torch.empty(out_channels, in_channels, kernel_size, device=device, dtype=dtype)
        )
        self.bias = torch.nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    @property
    def outputs_per_window(self) -> int:
        """Outputs of a window before pooling, L."""
        return self.window_size // self.kernel_offset if self.log_time else self.window_size - self.kernel_size + 1

    def tap_table(self) -> TapTable:
        """Which frames of a window each kernel row meets."""
        if not self.log_time:
            return linear_tap_table(self.window_size, self.kernel_size)
        return mellin_tap_table(
            self.window_size,
            self.kernel_size,
            kernel_offset=self.kernel_offset,
            output_length=self.outputs_per_window,
        )

    def reset_parameters(self) -> None:
        """Draw kernel and bias as torch's convolutions do: uniform within 1 / sqrt(fan-in)."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        torch.nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T), window by window."""
        if signal.dim() != 3 or signal.size(1) != self.in_channels:
            raise ValueError(f"signal has shape {tuple(signal.shape)}; it must be (N, {self.in_channels}, T)")
        outputs = self._in_log_time(signal) if self.log_time else self._in_time(signal)  # (N, O, L, A)
        return outputs.flatten(1, 2) if self.pooling is None else pool_time(outputs, self.pooling, 2)

    def _in_log_time(self, signal: torch.Tensor) -> torch.Tensor:
        return correlate_windows(
            signal,
            self.weight,
            self.bias,
            window_size=self.window_size,
            window_stride=self.window_stride,
            kernel_offset=self.kernel_offset,
            output_length=self.outputs_per_window,
        )

    def _in_time(self, signal: torch.Tensor) -> torch.Tensor:
        """One correlation of the whole signal, of which each window's is a part."""
        needed = (num_windows(signal.size(2), self.window_stride) - 1) * self.window_stride + self.window_size
        padded = torch.nn.functional.pad(signal, (0, max(needed - signal.size(2), 0)))
        whole = torch.nn.functional.conv1d(padded, self.weight, self.bias)
        windows = whole.unfold(2, self.outputs_per_window, self.window_stride)
        return windows[:, :, : num_windows(signal.size(2), self.window_stride)].transpose(2, 3)

    def extra_repr(self) -> str:
        """Sizes, and what differs from its default."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts += [f"window_size={self.window_size}", f"window_stride={self.window_stride}"]
        parts += [f"kernel_offset={self.kernel_offset}"] if self.log_time else ["log_time=False"]
        return ", ".join([*parts, f"pooling={self.pooling}"] + ([] if self.bias is not None else ["bias=False"]))
