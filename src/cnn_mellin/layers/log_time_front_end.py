"""Front end in log time: windows that begin at anchors, correlated and pooled over log time."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch

from cnn_mellin.layers.parameters import check_parameter_options
from cnn_mellin.ops.sizes import Size, size_of
from cnn_mellin.ops.tap_table import TapTable, linear_tap_table, mellin_tap_table
from cnn_mellin.ops.tensor_checks import check_tensors
from cnn_mellin.ops.window_correlation import correlate_windows, num_windows

__all__ = ["LogTimeFrontEnd", "TimePooling", "pool_time"]

TimePooling = Literal["sum", "mean", "max", "logsumexp"]


def pool_time(hidden: torch.Tensor, pooling: TimePooling, dim: int) -> torch.Tensor:
    """Pool a tensor along one axis.

    Args:
        hidden: tensor of any shape.
        pooling: sum, mean, max or logsumexp (a soft maximum with a gradient to every output).
        dim: axis to remove.

    Raises:
        ValueError: the pooling is not one of these.

    >>> pool_time(torch.tensor([[1.0, 3.0]]), "max", 1)
    tensor([3.])
    """
    _check_pooling(pooling)
    if pooling == "max":
        return hidden.amax(dim)
    if pooling == "logsumexp":
        return hidden.logsumexp(dim)
    return hidden.sum(dim) if pooling == "sum" else hidden.mean(dim)


def _check_pooling(pooling: str) -> None:
    if pooling not in get_args(TimePooling):
        raise ValueError(f"pooling is {pooling!r}; it must be one of {', '.join(get_args(TimePooling))}, or None")


class LogTimeFrontEnd(torch.nn.Module):
    """Cuts windows at anchors, correlates each with a kernel in log time, and pools over log time.

    If speech that begins at an anchor is stretched, the outputs of its window move along the log-time axis and keep
    their values, so a maximum over that axis stays the same, except for effects of the window's edges. With
    `log_time=False` the layer is the baseline to compare with: an ordinary correlation over the same windows, kernel
    and pooling. Windows and pooling alone already tolerate some change of speaking rate.

    Args:
        in_channels, out_channels: channels of signal and output; the coefficients of a frame are channels.
        kernel_size: rows of the kernel, K, a number or a tuple of one.
        window_size: frames in a window; a window that runs past the end of the signal reads zeros there.
        window_stride: frames from one anchor to the next.
        kernel_offset: d; outputs compare frames in the ratios d, d + 1, ..., d + K - 1 (counted from 1 in the window).
            No output reads the first d - 1 frames of a window. Without effect on an ordinary correlation.
        pooling: sum, mean, max or logsumexp over the outputs of a window; None concatenates them as channels.
        log_time: correlate in log time; False correlates in time.
        bias: learn a bias.
        device, dtype: device and dtype of the parameters, as in torch's layers.

    Shapes:
        (N, in_channels, T) -> (N, out_channels, A), or (N, out_channels * L, A) without pooling; all also without N.
        There is one anchor per `window_stride` frames, A = (T - 1) // window_stride + 1, and L outputs per window:
        window_size // kernel_offset in log time, window_size - kernel_size + 1 in time.

    Raises:
        ValueError: a size is not a whole number or too small, the kernel does not fit into the window, the pooling is
            unknown, or shape, dtype or device of a signal do not fit the layer.

    >>> layer = LogTimeFrontEnd(41, 32, kernel_size=12, window_size=48, window_stride=2, kernel_offset=4)
    >>> layer(torch.zeros(2, 41, 99)).shape
    torch.Size([2, 32, 50])
    >>> len(layer.tap_table().live_rows)
    12
    """

    def __init__(
        self,
        in_channels: Size,
        out_channels: Size,
        kernel_size: Size,
        *,
        window_size: Size,
        window_stride: Size = 1,
        kernel_offset: Size = 1,
        pooling: TimePooling | None = "max",
        log_time: bool = True,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = size_of("in_channels", in_channels)
        self.out_channels = size_of("out_channels", out_channels)
        self.kernel_size = size_of("kernel_size", kernel_size)
        self.window_size = size_of("window_size", window_size)
        self.window_stride = size_of("window_stride", window_stride)
        self.kernel_offset = size_of("kernel_offset", kernel_offset)
        name, least = ("kernel_offset", self.kernel_offset) if log_time else ("kernel_size", self.kernel_size)
        if self.window_size < least:
            raise ValueError(f"window_size is {self.window_size}; it must be at least {name}, {least}, for one output")
        if pooling is not None:
            _check_pooling(pooling)
        check_parameter_options(bias, dtype)
        self.pooling, self.log_time = pooling, log_time
        shape = (self.out_channels, self.in_channels, self.kernel_size)
        self.weight = torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.bias = torch.nn.Parameter(torch.empty(shape[0], device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    @property
    def outputs_per_window(self) -> int:
        """Number of outputs of a window before pooling, L."""
        return self.window_size // self.kernel_offset if self.log_time else self.window_size - self.kernel_size + 1

    def tap_table(self) -> TapTable:
        """Table of the frames of a window that each kernel row meets."""
        if not self.log_time:
            return linear_tap_table(self.window_size, self.kernel_size)
        return mellin_tap_table(
            self.window_size,
            self.kernel_size,
            kernel_offset=self.kernel_offset,
            output_length=self.outputs_per_window,
        )

    def reset_parameters(self) -> None:
        """Initialise kernel and bias as torch's convolutions do: uniform within 1 / sqrt(fan-in)."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        torch.nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate each window of `signal`, (N, C, T) or (C, T)."""
        check_tensors(signal, self.weight, self.bias, ("C", "T"), ("O", "C", "K"))
        if signal.dim() == 2:
            return self.forward(signal.unsqueeze(0)).squeeze(0)
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
        """Correlate the whole signal once; the outputs of each window are a part of the result."""
        windows = num_windows(signal.size(2), self.window_stride)
        needed = max(windows - 1, 0) * self.window_stride + self.window_size
        padded = torch.nn.functional.pad(signal, (0, max(needed - signal.size(2), 0)))
        whole = torch.nn.functional.conv1d(padded, self.weight, self.bias)
        return whole.unfold(2, self.outputs_per_window, self.window_stride)[:, :, :windows].transpose(2, 3)

    def extra_repr(self) -> str:
        """Sizes and settings, as shown by repr."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts += [f"window_size={self.window_size}", f"window_stride={self.window_stride}"]
        parts += [f"kernel_offset={self.kernel_offset}"] if self.log_time else ["log_time=False"]
        return ", ".join([*parts, f"pooling={self.pooling}"] + ([] if self.bias is not None else ["bias=False"]))
