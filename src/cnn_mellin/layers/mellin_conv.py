"""Convolutional layers in log time."""

from __future__ import annotations

import math
from itertools import starmap

import torch

from cnn_mellin.layers.parameters import check_parameter_options
from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from cnn_mellin.ops.sizes import Size, Sizes, size_of, sizes_of
from cnn_mellin.ops.tap_table import TapTable, mellin_tap_table

__all__ = ["MellinConv1d", "MellinLinearConv2d"]


class _MellinConv(torch.nn.Module):
    """Base of both layers: checks sizes, and initialises parameters as torch's convolutions do."""

    def __init__(
        self,
        in_channels: Size,
        out_channels: Size,
        kernel_size: tuple[int, ...],
        offsets: dict[str, Size],
        output_length: Size | None,
        bias: bool,
        device: torch.device | str | int | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.in_channels = size_of("in_channels", in_channels)
        self.out_channels = size_of("out_channels", out_channels)
        self.kernel_size = kernel_size
        self.output_offset, self.kernel_offset, self.input_dilation = starmap(size_of, offsets.items())
        self.output_length = None if output_length is None else size_of("output_length", output_length, 0)
        check_parameter_options(bias, dtype)
        shape = (self.out_channels, self.in_channels, *kernel_size)
        self.weight = torch.nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.bias = torch.nn.Parameter(torch.empty(shape[0], device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise kernel and bias as torch's convolutions do: uniform within 1 / sqrt(fan-in)."""
        torch.nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def tap_table(self, num_frames: Size) -> TapTable:
        """Table of the frames that each kernel row meets, in a signal of a number of frames.

        Args:
            num_frames: frames in the signal, T >= 0.

        Raises:
            ValueError: `num_frames` is not a whole number, or negative.

        >>> print(MellinConv1d(1, 4, 3, kernel_offset=2, output_length=2).tap_table(4))
        out 0: row 0 x frame 1, row 1 x frame 2, row 2 x frame 3
        out 1: row 0 x frame 3
        """
        return mellin_tap_table(
            size_of("num_frames", num_frames, 0),
            self.kernel_size[0],
            output_offset=self.output_offset,
            kernel_offset=self.kernel_offset,
            input_dilation=self.input_dilation,
            output_length=self.output_length,
        )

    def extra_repr(self) -> str:
        """Channels, kernel size, and settings that differ from their defaults, as shown by repr."""
        size = self.kernel_size if len(self.kernel_size) > 1 else self.kernel_size[0]
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={size}"]
        defaults = {
            "output_offset": 1,
            "kernel_offset": 1,
            "input_dilation": 1,
            "output_length": None,
            "stride": 1,
            "dilation": 1,
            "padding": (0, 0),
        }
        changed = {name: getattr(self, name, default) for name, default in defaults.items()}
        parts += [f"{name}={value}" for name, value in changed.items() if value != defaults[name]]
        return ", ".join(parts if self.bias is not None else [*parts, "bias=False"])


class MellinConv1d(_MellinConv):
    """Mellin correlation of a signal with a learnt kernel; a dilation of the signal becomes a shift in log time.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: frames of the kernel, K, a number or a tuple of one.
        output_offset, kernel_offset, input_dilation: s, d, u of `mellin_correlate_1d`.
        output_length: frames of the output; by default, those whose every term lies inside the signal.
        bias: learn a bias.
        device, dtype: device and dtype of the parameters, as in torch's layers.

    Shapes:
        (N, in_channels, T) -> (N, out_channels, output_length), or both without N.

    Raises:
        ValueError: an argument is not a whole number, has a wrong length, or is too small; or shape, dtype or device of
            a signal do not fit the layer.

    >>> MellinConv1d(1, 4, 3, input_dilation=2)
    MellinConv1d(1, 4, kernel_size=3, input_dilation=2)
    >>> MellinConv1d(1, 4, 3)(torch.zeros(2, 1, 9)).shape
    torch.Size([2, 4, 3])
    """

    def __init__(
        self,
        in_channels: Size,
        out_channels: Size,
        kernel_size: Size,
        *,
        output_offset: Size = 1,
        kernel_offset: Size = 1,
        input_dilation: Size = 1,
        output_length: Size | None = None,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        offsets = {"output_offset": output_offset, "kernel_offset": kernel_offset, "input_dilation": input_dilation}
        size = (size_of("kernel_size", kernel_size),)
        super().__init__(in_channels, out_channels, size, offsets, output_length, bias, device, dtype)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T) or (C, T)."""
        return mellin_correlate_1d(
            signal,
            self.weight,
            self.bias,
            output_offset=self.output_offset,
            kernel_offset=self.kernel_offset,
            input_dilation=self.input_dilation,
            output_length=self.output_length,
        )


class MellinLinearConv2d(_MellinConv):
    """Mellin correlation along time and ordinary correlation along frequency, with a learnt kernel.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: frames and coefficients of the kernel, (K, W), or one number for both.
        output_offset, kernel_offset, input_dilation: s, d, u of `mellin_linear_correlate_2d`, along time.
        output_length: frames of the output; by default, those whose every term lies inside the signal.
        stride, dilation: stride and dilation of the frequency axis.
        padding: zeros left and right of the frequency axis, (left, right), or one number for both.
        bias: learn a bias.
        device, dtype: device and dtype of the parameters, as in torch's layers.

    Shapes:
        (N, in_channels, T, F) -> (N, out_channels, output_length, F'), or both without N.

    Raises:
        ValueError: an argument is not a whole number, has a wrong length, or is too small; or shape, dtype or device of
            a signal do not fit the layer.

    >>> layer = MellinLinearConv2d(1, 4, (3, 5), padding=(2, 2))
    >>> layer
    MellinLinearConv2d(1, 4, kernel_size=(3, 5), padding=(2, 2))
    >>> layer(torch.zeros(2, 1, 9, 81)).shape
    torch.Size([2, 4, 3, 81])
    """

    def __init__(
        self,
        in_channels: Size,
        out_channels: Size,
        kernel_size: Sizes,
        *,
        output_offset: Size = 1,
        kernel_offset: Size = 1,
        input_dilation: Size = 1,
        output_length: Size | None = None,
        stride: Size = 1,
        dilation: Size = 1,
        padding: Sizes = 0,
        bias: bool = True,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        size = sizes_of("kernel_size", kernel_size, ("frames", "coefficients"))
        offsets = {"output_offset": output_offset, "kernel_offset": kernel_offset, "input_dilation": input_dilation}
        super().__init__(in_channels, out_channels, size, offsets, output_length, bias, device, dtype)
        self.stride, self.dilation = size_of("stride", stride), size_of("dilation", dilation)
        self.padding = sizes_of("padding", padding, ("left", "right"), 0)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T, F) or (C, T, F)."""
        return mellin_linear_correlate_2d(
            signal,
            self.weight,
            self.bias,
            output_offset=self.output_offset,
            kernel_offset=self.kernel_offset,
            input_dilation=self.input_dilation,
            output_length=self.output_length,
            stride=self.stride,
            dilation=self.dilation,
            padding=self.padding,
        )
