"""Settings of the acoustic model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from cnn_mellin.config.search_range import SearchChoices, SearchRange

__all__ = ["AcousticModelConfig"]


@dataclass(config=ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False))
class AcousticModelConfig:
    """The acoustic model: what stands between features and phone logits.

    Raises:
        pydantic.ValidationError: (a ValueError) a value breaks the bound written beside the setting.

    >>> AcousticModelConfig(convolutional_mellin=True).window_size
    5
    """

    use_log_compression: Annotated[bool, SearchChoices()] = Field(
        default=True, description="Learnable pointwise log(eps + abs(x)) on the input"
    )
    use_lift: Annotated[bool, SearchChoices()] = Field(
        default=True, description="Learnable dilation lift along the time of a window, after log compression"
    )
    window_size: Annotated[int, SearchRange(2, 10, raw_factor=100)] = Field(
        default=5, ge=1, description="Frames in a window"
    )
    window_stride: Annotated[int, SearchRange(1, 5, raw_factor=100)] = Field(
        default=3, ge=1, description="Frames from the start of a window to the start of the next"
    )
    convolutional_kernel_time: Annotated[int, SearchRange(1, 10, needs="convolutional_layers")] = Field(
        default=3, ge=1, description="Kernel length in time"
    )
    convolutional_kernel_freq: Annotated[int, SearchRange(1, 20, on_raw=False, needs="convolutional_layers")] = Field(
        default=3, ge=1, description="Kernel length in frequency (no use for raw audio)"
    )
    convolutional_initial_channels: Annotated[int, SearchRange(16, 64, log=True, needs="convolutional_layers")] = Field(
        default=64, ge=1, description="Channels of the first convolutional layer"
    )
    convolutional_layers: Annotated[int, SearchRange(1, 6)] = Field(
        default=5, ge=0, description="Number of convolutional layers"
    )
    convolutional_mellin: Annotated[bool, SearchChoices(needs="convolutional_layers", by_name_only=True)] = Field(
        default=False, description="Convolutions are Mellin-linear (log time) instead of linear"
    )
    convolutional_kernel_offset: Annotated[
        int | None, SearchRange(1, 8, needs="convolutional_mellin", by_name_only=True)
    ] = Field(
        default=None,
        ge=1,
        description="Mellin layers compare frames in the ratios offset, offset + 1, ... over the input dilation; "
        "unset: 1, or more at a layer where time shrinks",
    )
    convolutional_input_dilation: Annotated[
        int | None, SearchRange(1, 4, needs="convolutional_mellin", by_name_only=True)
    ] = Field(
        default=None,
        ge=1,
        description="Whole number that the ratios of a Mellin layer are divided by; unset: 1 where the kernel offset "
        "is set, half the kernel otherwise",
    )
    convolutional_time_padding: Annotated[bool, SearchChoices(by_name_only=True)] = Field(
        default=True,
        description="Linear layers pad a window in time, so that it keeps its length; False: only outputs whose every "
        "term lies inside the window",
    )
    window_pooling: Annotated[
        Literal["sum", "mean", "max", "logsumexp", "none"],
        SearchChoices(("sum", "mean", "max", "logsumexp", "none"), by_name_only=True),
    ] = Field(
        default="sum",
        description="Joins the outputs of the convolutions along the time of a window; none keeps them side by side, "
        "and so where in the window they are",
    )
    convolutional_time_factor: Annotated[int, SearchRange(1, 4, log=True, needs="convolutional_layers")] = Field(
        default=2, ge=1, description="By how much time shrinks at a layer that is on"
    )
    convolutional_freq_factor: Annotated[
        int, SearchRange(1, 2, log=True, on_raw=False, needs="convolutional_layers")
    ] = Field(
        default=1,
        ge=1,
        description="By how much frequency shrinks at a layer that is on (no use for raw audio)",
    )
    convolutional_channel_factor: Annotated[int, SearchRange(1, 2, log=True, needs="convolutional_layers")] = Field(
        default=1, ge=1, description="By how much the channels grow at a layer that is on"
    )
    convolutional_factor_schedule: Annotated[
        int, SearchRange(1, 7, needs="convolutional_layers", most="convolutional_layers + 1")
    ] = Field(default=2, ge=1, description="Every how many layers one is on")
    convolutional_nonlinearity: Annotated[
        Literal["relu", "sigmoid", "tanh"],
        SearchChoices(("relu", "sigmoid", "tanh"), needs="convolutional_layers"),
    ] = Field(default="relu", description="Nonlinearity after each convolution")
    recurrent_size: Annotated[int, SearchRange(64, 1024, log=True, needs="recurrent_layers")] = Field(
        default=128, ge=1, description="Units of a recurrent layer in each direction"
    )
    recurrent_layers: Annotated[int, SearchRange(1, 10)] = Field(
        default=2, ge=0, description="Number of recurrent layers"
    )
    recurrent_type: Annotated[
        Literal["LSTM", "GRU", "RNN"], SearchChoices(("LSTM", "GRU", "RNN"), needs="recurrent_layers")
    ] = Field(default="LSTM", description="Kind of recurrent cell")
    recurrent_bidirectional: Annotated[bool, SearchChoices(needs="recurrent_layers")] = Field(
        default=True, description="Recurrent layers run in both directions"
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="Seed of the initial weights; unset leaves torch's own stream alone",
    )
