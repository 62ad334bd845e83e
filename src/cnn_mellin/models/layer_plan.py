"""Sizes of the convolutional layers of an acoustic model, from its settings."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.ops.lengths import mellin_support_length
from cnn_mellin.ops.tap_table import TapTable, linear_tap_table, mellin_tap_table

__all__ = ["LayerPlan", "plan_layers"]


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Sizes of one convolutional layer. Pairs are (time, frequency); raw audio uses only the first of each pair.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel: kernel sizes.
        in_sizes, out_sizes: sizes of input and output.
        stride: strides; a Mellin layer has one only along frequency.
        padding: zeros on either side along (time, frequency) in a linear layer; zeros (left, right) along frequency in
            a Mellin layer.
        kernel_offset, input_dilation: d and u of a Mellin layer; 1 in a linear layer.
        mellin: whether the correlation is in log time.
    """

    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    in_sizes: tuple[int, int]
    out_sizes: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    kernel_offset: int = 1
    input_dilation: int = 1
    mellin: bool = False

    def tap_table(self) -> TapTable:
        """Table of the frames of the input that each kernel row meets."""
        if self.mellin:
            return mellin_tap_table(
                self.in_sizes[0],
                self.kernel[0],
                kernel_offset=self.kernel_offset,
                input_dilation=self.input_dilation,
                output_length=self.out_sizes[0],
            )
        return linear_tap_table(self.in_sizes[0], self.kernel[0], stride=self.stride[0], padding=self.padding[0])

    @property
    def num_live_weights(self) -> int:
        """Number of weights that can get a gradient: the bias, and kernel rows that meet a frame."""
        live = len(self.tap_table().live_rows)
        return self.out_channels * (1 + self.in_channels * live * self.kernel[1])

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds per window, including those with the padding along frequency."""
        return self.tap_table().num_taps * self.in_channels * self.out_channels * self.kernel[1] * self.out_sizes[1]


def plan_layers(num_features: int, config: AcousticModelConfig) -> list[LayerPlan]:
    """Compute the sizes of every convolutional layer.

    Args:
        num_features: coefficients of a frame; 1 is raw audio, which has no frequency axis (its sizes are 1).
        config: settings of the model.

    Raises:
        SettingsError: the kernel of a layer or its offset is larger than the input of the layer.

    >>> config = AcousticModelConfig(convolutional_layers=2, convolutional_time_factor=2, window_size=5)
    >>> [layer.out_sizes for layer in plan_layers(81, config)]
    [(5, 81), (3, 81)]
    >>> config.convolutional_mellin = True
    >>> [layer.out_sizes for layer in plan_layers(81, config)]
    [(5, 81), (2, 81)]
    """
    raw = num_features == 1
    kernel = (config.convolutional_kernel_time, 1 if raw else config.convolutional_kernel_freq)
    sizes = (config.window_size, num_features)
    in_channels, out_channels = 1, config.convolutional_initial_channels
    layers = []
    for number in range(1, config.convolutional_layers + 1):
        on = number % config.convolutional_factor_schedule == 0
        factors = (config.convolutional_time_factor, 1 if raw else config.convolutional_freq_factor) if on else (1, 1)
        out_channels *= config.convolutional_channel_factor if on else 1
        plan = _mellin_layer if config.convolutional_mellin else _linear_layer
        layers.append(plan(in_channels, out_channels, kernel, sizes, factors, config))
        in_channels, sizes = out_channels, layers[-1].out_sizes
    return layers


def _linear_layer(
    in_channels: int,
    out_channels: int,
    kernel: tuple[int, int],
    sizes: tuple[int, int],
    factors: tuple[int, int],
    config: AcousticModelConfig,
) -> LayerPlan:
    axes = [_linear_axis(*axis) for axis in zip(sizes, kernel, factors, strict=True)]
    if not config.convolutional_time_padding:
        if sizes[0] < kernel[0]:
            raise SettingsError(
                f"[model] convolutional_kernel_time is {kernel[0]}, but the input of a layer has {sizes[0]} frames; "
                "without convolutional_time_padding it must be at most that: lengthen window_size or shorten the kernel"
            )
        axes[0] = ((sizes[0] - kernel[0]) // factors[0] + 1, 0)
    (time, time_padding), (freq, freq_padding) = axes
    padding = (time_padding, freq_padding)
    return LayerPlan(in_channels, out_channels, kernel, sizes, (time, freq), factors, padding)


def _linear_axis(size: int, kernel: int, factor: int) -> tuple[int, int]:
    """Output size, and padding on either side: half the kernel, and one more if there were no output otherwise."""
    padding = (kernel - 1) // 2
    if size + 2 * padding < kernel:
        padding += 1
    return (size + 2 * padding - kernel) // factor + 1, padding


def _mellin_layer(
    in_channels: int,
    out_channels: int,
    kernel: tuple[int, int],
    sizes: tuple[int, int],
    factors: tuple[int, int],
    config: AcousticModelConfig,
) -> LayerPlan:
    (time, freq), (time_factor, freq_factor) = sizes, factors
    out_freq = max(freq // freq_factor, 1)
    offset, dilation = config.convolutional_kernel_offset, config.convolutional_input_dilation
    if offset is None:
        offset = (time_factor - 1) * kernel[0] + 1
        dilation = dilation or (kernel[0] - 1) // 2 + 1
        out_time = max(time // time_factor, 1)
    else:
        dilation = dilation or 1
        out_time = mellin_support_length(time, kernel_offset=offset, input_dilation=dilation)
        if not out_time:
            raise SettingsError(
                f"[model] convolutional_kernel_offset is {offset}, but the input of a layer has {time} frames; it "
                "must be at most that: lengthen window_size, or lower the offset"
            )
    left = (kernel[1] - 1) // 2
    right = (out_freq - 1) * freq_factor + kernel[1] - freq - left
    return LayerPlan(
        in_channels,
        out_channels,
        kernel,
        sizes,
        (out_time, out_freq),
        (1, freq_factor),
        (left, right),
        kernel_offset=offset,
        input_dilation=dilation,
        mellin=True,
    )
