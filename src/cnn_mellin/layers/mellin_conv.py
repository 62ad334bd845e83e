"""Convolutional layers in log time."""

from __future__ import annotations

import math

import torch

from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from cnn_mellin.ops.lengths import check_mellin_arguments

__all__ = ["MellinConv1d", "MellinLinearConv2d"]


class _MellinConv(torch.nn.Module):
    """What both layers share: checked sizes, parameters initialised as torch's convolutions, and their print."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        offsets: dict[str, int],
        output_length: int | None,
        bias: bool,
    ) -> None:
        super().__init__()
        smallest = {"in_channels": in_channels, "out_channels": out_channels, "kernel_size": min(kernel_size)}
        for name, value in smallest.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        check_mellin_arguments(0, kernel_size[0], *offsets.values())
        if output_length is not None and output_length < 0:
            raise ValueError(f"output_length is {output_length}; it must be at least 0")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.output_offset, self.kernel_offset, self.input_dilation = offsets.values()
        self.output_length = output_length
        self.weight = torch.nn.Parameter(torch.empty(out_channels, in_channels, *kernel_size))
        self.bias = torch.nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw kernel and bias as torch's convolutions do: uniform within 1 / sqrt(fan-in)."""
        torch.nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Channels, kernel size, and what differs from its default."""
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
    """Mellin correlation of a signal with a learnt kernel.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: frames of the kernel, K.
        output_offset, kernel_offset, input_dilation: s, d, u of `mellin_correlate_1d`.
        output_length: frames of the output; by default those whose every term lies inside the signal.
        bias: learn a bias.

    Shapes:
        (N, in_channels, T) -> (N, out_channels, output_length).

    Raises:
        ValueError: an argument is too small.

    >>> MellinConv1d(1, 4, 3, input_dilation=2)
    MellinConv1d(1, 4, kernel_size=3, input_dilation=2)
    >>> MellinConv1d(1, 4, 3)(torch.zeros(2, 1, 9)).shape
    torch.Size([2, 4, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        output_offset: int = 1,
        kernel_offset: int = 1,
        input_dilation: int = 1,
        output_length: int | None = None,
        bias: bool = True,
    ) -> None:
        offsets = {"output_offset": output_offset, "kernel_offset": kernel_offset, "input_dilation": input_dilation}
        super().__init__(in_channels, out_channels, (kernel_size,), offsets, output_length, bias)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T)."""
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
        output_length: frames of the output; by default those whose every term lies inside the signal.
        stride, dilation, padding: of the frequency axis; padding is (left, right).
        bias: learn a bias.

    Shapes:
        (N, in_channels, T, F) -> (N, out_channels, output_length, F').

    Raises:
        ValueError: an argument is too small.

    >>> layer = MellinLinearConv2d(1, 4, (3, 5), padding=(2, 2))
    >>> layer
    MellinLinearConv2d(1, 4, kernel_size=(3, 5), padding=(2, 2))
    >>> layer(torch.zeros(2, 1, 9, 81)).shape
    torch.Size([2, 4, 3, 81])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        output_offset: int = 1,
        kernel_offset: int = 1,
        input_dilation: int = 1,
        output_length: int | None = None,
        stride: int = 1,
        dilation: int = 1,
        padding: tuple[int, int] = (0, 0),
        bias: bool = True,
    ) -> None:
        size = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        offsets = {"output_offset": output_offset, "kernel_offset": kernel_offset, "input_dilation": input_dilation}
        super().__init__(in_channels, out_channels, size, offsets, output_length, bias)
        for name, value, least in (("stride", stride, 1), ("dilation", dilation, 1), ("padding", min(padding), 0)):
            if value < least:
                raise ValueError(f"{name} is {value}; it must be at least {least}")
        self.stride, self.dilation, self.padding = stride, dilation, tuple(padding)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        """Correlate `signal`, (N, C, T, F)."""
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
            padding=(self.padding[0], self.padding[1]),
        )
