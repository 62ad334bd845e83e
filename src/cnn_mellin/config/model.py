"""Settings of the acoustic model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cnn_mellin.config.search_range import SearchChoices, SearchRange

__all__ = ["AcousticModelConfig"]


@dataclass(config=ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False))
class AcousticModelConfig:
    """Settings of the acoustic model, which maps features to phone logits.

    Raises:
        pydantic.ValidationError: (a ValueError) a value is outside the bounds of its setting.

    >>> AcousticModelConfig(convolutional_mellin=True).window_size
    5
    """

    use_log_compression: Annotated[bool, SearchChoices()] = Field(
        default=True, description="Apply a learnable pointwise log(eps + abs(x)) to the input"
    )
    utterance_normalization: Annotated[
        Literal["none", "mean", "variance"], SearchChoices(("none", "mean", "variance"), by_name_only=True)
    ] = Field(
        default="none",
        description="Subtract each coefficient's mean over the utterance, after log compression; variance also divides "
        "by its standard deviation",
    )
    use_lift: Annotated[bool, SearchChoices()] = Field(
        default=True, description="Apply a learnable dilation lift along the time of each window, after log compression"
    )
    window_size: Annotated[int, SearchRange(2, 10, raw_factor=100)] = Field(
        default=5, ge=1, description="Number of frames per window"
    )
    window_stride: Annotated[int, SearchRange(1, 5, raw_factor=100)] = Field(
        default=3, ge=1, description="Number of frames from the start of one window to the start of the next"
    )
    window_anchors: Annotated[int, SearchRange(1, 5, raw_factor=100, by_name_only=True)] = Field(
        default=1,
        ge=1,
        description="Number of anchors of each window: the convolutions run from each of this many consecutive frames, "
        "and the maximum over these anchors is kept",
    )
    convolutional_kernel_time: Annotated[int, SearchRange(1, 10, needs="convolutional_layers")] = Field(
        default=3, ge=1, description="Kernel length in time, in frames of the layer's input"
    )
    convolutional_kernel_freq: Annotated[int, SearchRange(1, 20, on_raw=False, needs="convolutional_layers")] = Field(
        default=3, ge=1, description="Kernel length in frequency (ignored for raw audio)"
    )
    convolutional_initial_channels: Annotated[int, SearchRange(16, 64, log=True, needs="convolutional_layers")] = Field(
        default=64, ge=1, description="Number of channels of the first convolutional layer"
    )
    convolutional_layers: Annotated[int, SearchRange(1, 6)] = Field(
        default=5, ge=0, description="Number of convolutional layers"
    )
    convolutional_mellin: Annotated[bool, SearchChoices(needs="convolutional_layers", by_name_only=True)] = Field(
        default=False, description="Use Mellin-linear convolutions (in log time) instead of linear ones"
    )
    convolutional_kernel_offset: Annotated[
        int | None, SearchRange(1, 8, needs="convolutional_mellin", by_name_only=True)
    ] = Field(
        default=None,
        ge=1,
        description="Mellin layers compare frames at the ratios offset, offset + 1, ... divided by the input dilation; "
        "unset: 1, or more in layers that shrink time",
    )
    convolutional_input_dilation: Annotated[
        int | None, SearchRange(1, 4, needs="convolutional_mellin", by_name_only=True)
    ] = Field(
        default=None,
        ge=1,
        description="Divisor of the ratios at which Mellin layers compare frames; unset: 1 if the kernel offset is "
        "set, otherwise half the kernel length, rounded up",
    )
    convolutional_time_padding: Annotated[bool, SearchChoices(by_name_only=True)] = Field(
        default=True,
        description="Pad the time of a window in linear layers, so that it keeps its length; False keeps only outputs "
        "whose every term lies inside the window",
    )
    window_pooling: Annotated[
        Literal["sum", "mean", "max", "logsumexp", "attention", "none"],
        SearchChoices(("sum", "mean", "max", "logsumexp", "attention", "none"), by_name_only=True),
    ] = Field(
        default="sum",
        description="Pooling of the convolutions' outputs over the time of a window; attention weights them by learned "
        "scores, none concatenates them, which preserves their positions in the window",
    )
    local_branch_channels: Annotated[int, SearchRange(1, 32, log=True, by_name_only=True)] = Field(
        default=0,
        ge=0,
        description="Number of channels of the local branch, a linear convolution of the first frames of each window "
        "beside the other layers, whose output is concatenated with theirs; 0: no local branch",
    )
    local_branch_kernel_time: Annotated[
        int,
        SearchRange(1, 5, raw_factor=100, needs="local_branch_channels", most="window_size", by_name_only=True),
    ] = Field(default=3, ge=1, description="Kernel length of the local branch in time, in frames; at most window_size")
    convolutional_time_factor: Annotated[int, SearchRange(1, 4, log=True, needs="convolutional_layers")] = Field(
        default=2, ge=1, description="Factor by which every n-th layer (see convolutional_factor_schedule) shrinks time"
    )
    convolutional_freq_factor: Annotated[
        int, SearchRange(1, 2, log=True, on_raw=False, needs="convolutional_layers")
    ] = Field(
        default=1,
        ge=1,
        description="Factor by which every n-th layer shrinks frequency (ignored for raw audio)",
    )
    convolutional_channel_factor: Annotated[int, SearchRange(1, 2, log=True, needs="convolutional_layers")] = Field(
        default=1, ge=1, description="Factor by which every n-th layer multiplies the number of channels"
    )
    convolutional_factor_schedule: Annotated[
        int, SearchRange(1, 7, needs="convolutional_layers", most="convolutional_layers + 1")
    ] = Field(
        default=2, ge=1, description="The n in 'every n-th layer': only layers n, 2n, ... apply the three factors"
    )
    convolutional_nonlinearity: Annotated[
        Literal["relu", "sigmoid", "tanh"],
        SearchChoices(("relu", "sigmoid", "tanh"), needs="convolutional_layers"),
    ] = Field(default="relu", description="Nonlinearity after each convolution")
    recurrent_size: Annotated[int, SearchRange(64, 1024, log=True, needs="recurrent_layers")] = Field(
        default=128, ge=1, description="Number of units per recurrent layer and direction"
    )
    recurrent_layers: Annotated[int, SearchRange(1, 10)] = Field(
        default=2, ge=0, description="Number of recurrent layers"
    )
    recurrent_type: Annotated[
        Literal["LSTM", "GRU", "RNN"], SearchChoices(("LSTM", "GRU", "RNN"), needs="recurrent_layers")
    ] = Field(default="LSTM", description="Kind of recurrent cell")
    recurrent_bidirectional: Annotated[bool, SearchChoices(needs="recurrent_layers")] = Field(
        default=True, description="Run recurrent layers in both directions"
    )
    initial_blank_bias: Annotated[float, SearchRange(0, 6, by_name_only=True)] = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Natural logarithm added to the blank's initial bias in the output layer; above 0, the model "
        "begins near what CTC trainings learn first, that most frames are blank",
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="Seed of the initial weights; if unset, they come from torch's global random stream",
    )

    @property
    def window_span(self) -> int:
        """Frames from the first to the last that the anchors of a window read."""
        return self.window_size + self.window_anchors - 1
