"""Sizes of all that comes before the recurrent layers of an acoustic model, from its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.ops.tap_table import TapTable, linear_tap_table, mellin_tap_table

__all__ = ["FrontEndPlan", "LayerPlan", "MellinTime", "mellin_time", "plan_front_end", "plan_layers"]


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
    def num_weights(self) -> int:
        """Number of weights, biases included."""
        return self.out_channels * (1 + self.in_channels * self.kernel[0] * self.kernel[1])

    @property
    def num_live_weights(self) -> int:
        """Number of weights that can get a gradient: the bias, and kernel rows that meet a frame."""
        live = len(self.tap_table().live_rows)
        return self.out_channels * (1 + self.in_channels * live * self.kernel[1])

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds per window, including those with the padding along frequency."""
        return self.tap_table().num_taps * self.in_channels * self.out_channels * self.kernel[1] * self.out_sizes[1]


@dataclass(frozen=True, slots=True)
class FrontEndPlan:
    """Sizes of layers, pooling and local branch.

    Args:
        layers: convolutional layers, each of which takes the output of the one before.
        local_branch: linear convolution of the first frames of a window; None if there is none.
        pooled_sizes: channels, time and frequency of what is pooled.
        pooling: pooling over the time of a window, as in the settings.
        num_anchors: number of anchors of a window, at each of which the layers are computed.
    """

    layers: tuple[LayerPlan, ...]
    local_branch: LayerPlan | None
    pooled_sizes: tuple[int, int, int]
    pooling: str
    num_anchors: int = 1

    @property
    def convolutions(self) -> tuple[LayerPlan, ...]:
        """Convolutional layers and, last, the local branch."""
        return self.layers if self.local_branch is None else (*self.layers, self.local_branch)

    @property
    def num_pooling_weights(self) -> int:
        """Number of weights of the pooling."""
        channels, _, freq = self.pooled_sizes
        return channels * freq if self.pooling == "attention" else 0

    @property
    def num_weights(self) -> int:
        """Number of weights, biases included."""
        return sum(layer.num_weights for layer in self.convolutions) + self.num_pooling_weights

    @property
    def num_live_weights(self) -> int:
        """Number of weights that can get a gradient."""
        return sum(layer.num_live_weights for layer in self.convolutions) + self.num_pooling_weights

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds per window; pooling by attention scores and weights each output."""
        of_pooling = 2 * self.num_pooling_weights * self.pooled_sizes[1]
        of_local_branch = 0 if self.local_branch is None else self.local_branch.multiply_adds
        return self.num_anchors * sum(layer.multiply_adds for layer in self.layers) + of_local_branch + of_pooling

    @property
    def output_size(self) -> int:
        """Size of the vector of a window."""
        channels, time, freq = self.pooled_sizes
        local = self.local_branch
        beside = 0 if local is None else local.out_channels * local.out_sizes[1]
        return channels * freq * (time if self.pooling == "none" else 1) + beside


def plan_front_end(num_features: int, config: AcousticModelConfig) -> FrontEndPlan:
    """Compute the sizes of layers, pooling and local branch.

    Args:
        num_features: coefficients of a frame; 1 is raw audio.
        config: settings of the model.

    Raises:
        SettingsError: as in `plan_layers`, or the kernel of the local branch is longer than a window.

    >>> config = AcousticModelConfig(convolutional_layers=1, local_branch_channels=4, window_size=5)
    >>> plan = plan_front_end(81, config)
    >>> [layer.out_sizes for layer in plan.convolutions], plan.output_size
    ([(5, 81), (1, 81)], 5508)
    """
    layers = plan_layers(num_features, config)
    last = layers[-1] if layers else None
    pooled = (last.out_channels, *last.out_sizes) if last else (1, config.window_size, num_features)
    local = _local_branch(num_features, config)
    return FrontEndPlan(tuple(layers), local, pooled, config.window_pooling, config.window_anchors)


def _local_branch(num_features: int, config: AcousticModelConfig) -> LayerPlan | None:
    if not config.local_branch_channels:
        return None
    kernel_time = config.local_branch_kernel_time
    if kernel_time > config.window_size:
        raise SettingsError(
            f"[model] local_branch_kernel_time is {kernel_time}, but windows have {config.window_size} frames; it must "
            "be at most that: lengthen window_size or shorten the kernel"
        )
    kernel_freq, factor = config.convolutional_kernel_freq, config.convolutional_freq_factor
    if num_features == 1:
        kernel_freq = factor = 1
    freq, padding = _linear_axis(num_features, kernel_freq, factor)
    kernel, sizes = (kernel_time, kernel_freq), (kernel_time, num_features)
    return LayerPlan(1, config.local_branch_channels, kernel, sizes, (1, freq), (1, factor), (0, padding))


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
    along_time = mellin_time(
        time, kernel[0], time_factor, config.convolutional_kernel_offset, config.convolutional_input_dilation
    )
    if not along_time.output_length:
        raise SettingsError(
            f"[model] convolutional_kernel_offset is {along_time.kernel_offset}, but the input of a layer has {time} "
            "frames; it must be at most that: lengthen window_size, or lower the offset"
        )
    left = (kernel[1] - 1) // 2
    right = (out_freq - 1) * freq_factor + kernel[1] - freq - left
    return LayerPlan(
        in_channels,
        out_channels,
        kernel,
        sizes,
        (along_time.output_length, out_freq),
        (1, freq_factor),
        (left, right),
        kernel_offset=along_time.kernel_offset,
        input_dilation=along_time.input_dilation,
        mellin=True,
    )


class MellinTime(NamedTuple):
    """Sizes of a Mellin layer along time: outputs, kernel offset d, input dilation u."""

    output_length: int
    kernel_offset: int
    input_dilation: int


def mellin_time(
    num_frames: int, kernel_length: int, factor: int, kernel_offset: int | None, input_dilation: int | None
) -> MellinTime:
    """Sizes of a Mellin layer along time, from the settings of the model.

    Args:
        num_frames: frames of the layer's input.
        kernel_length: rows of the kernel.
        factor: factor by which the layer shrinks time, if the kernel offset is unset.
        kernel_offset, input_dilation: as in the settings; None if unset.

    >>> mellin_time(8, 3, 2, None, None), mellin_time(8, 5, 1, 2, None).output_length
    (MellinTime(output_length=4, kernel_offset=4, input_dilation=2), 4)
    """
    if kernel_offset is None:
        offset = (factor - 1) * kernel_length + 1
        return MellinTime(max(num_frames // factor, 1), offset, input_dilation or (kernel_length - 1) // 2 + 1)
    dilation = input_dilation or 1
    return MellinTime(num_frames * dilation // kernel_offset, kernel_offset, dilation)
