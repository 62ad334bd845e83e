"""Ranges of hyperparameters in which every kernel row of every layer meets a frame of its window.

A row of a Mellin layer that meets no frame is dead: it never gets a gradient (`cnn_mellin.ops.tap_table`). A linear
layer without padding cannot be built if its kernel is longer than its input. Sizes of windows, layers and kernels
depend on each other, so that each range depends on the values sampled before.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError

__all__ = ["FAVOURABLE", "has_live_kernels", "live_range"]

FAVOURABLE = {
    "window_size": "high",
    "convolutional_layers": "low",
    "convolutional_factor_schedule": "high",
    "convolutional_input_dilation": "low",
    "convolutional_time_factor": "low",
    "convolutional_kernel_time": "low",
}
"""Settings of the model on which live kernels depend, in the order of sampling -> which end of a range favours them."""
_RAW = 1  # coefficients; frequency does not matter here, and raw audio has no such axis


def has_live_kernels(config: AcousticModelConfig) -> bool:
    """Check whether the model has no dead kernel rows.

    >>> config = AcousticModelConfig(convolutional_mellin=True, convolutional_layers=1, window_size=5)
    >>> config.convolutional_kernel_time = 6
    >>> has_live_kernels(config)
    True
    >>> config.convolutional_kernel_time = 7
    >>> has_live_kernels(config)
    False
    """
    return _are_live(True, *(getattr(config, name) for name in FAVOURABLE))


def live_range(
    name: str, low: int, high: int, config: AcousticModelConfig, later: Mapping[str, tuple[int, int]]
) -> tuple[int, int]:
    """The part of a setting's range in which kernels can be live, connected to its favourable end.

    Args:
        name: one of FAVOURABLE.
        low, high: range of the setting, both included.
        config: settings of the model, with the values sampled so far.
        later: ranges of the settings that are sampled after this one; each can still take its favourable value.

    Returns:
        Lower and upper end; the whole range if kernels are not live even at its favourable end, or if the model's
        convolutions are neither Mellin-linear with an unset kernel offset nor linear without padding.

    >>> config = AcousticModelConfig(convolutional_mellin=True, convolutional_layers=1, window_size=5)
    >>> live_range("convolutional_kernel_time", 1, 10, config, {})
    (1, 6)
    """
    mellin = config.convolutional_mellin
    if config.convolutional_kernel_offset is not None if mellin else config.convolutional_time_padding:
        return low, high
    values: dict[str, Any] = {entry: getattr(config, entry) for entry in FAVOURABLE}
    values |= {entry: ends[FAVOURABLE[entry] == "high"] for entry, ends in later.items()}
    upwards = FAVOURABLE[name] == "low"
    end = None
    for value in range(low, high + 1) if upwards else range(high, low - 1, -1):
        if not _are_live(mellin, *(values | {name: value}).values()):
            break
        end = value
    if end is None:
        return low, high
    return (low, end) if upwards else (end, high)


@lru_cache(maxsize=1 << 16)
def _are_live(
    mellin: bool,
    window_size: int,
    num_layers: int,
    schedule: int,
    input_dilation: int | None,
    time_factor: int,
    kernel_time: int,
) -> bool:
    from cnn_mellin.models.layer_plan import plan_layers  # imports torch, which most actions of `optim` do without

    config = AcousticModelConfig(
        convolutional_mellin=mellin,
        convolutional_time_padding=False,
        window_size=window_size,
        convolutional_layers=num_layers,
        convolutional_factor_schedule=schedule,
        convolutional_input_dilation=input_dilation,
        convolutional_time_factor=time_factor,
        convolutional_kernel_time=kernel_time,
    )
    try:
        plan = plan_layers(_RAW, config)
    except SettingsError:
        return False
    return not any(layer.tap_table().dead_rows for layer in plan)
