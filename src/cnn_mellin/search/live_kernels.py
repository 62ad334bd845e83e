"""Ranges of hyperparameters in which the kernels of every layer live.

A row of a Mellin layer that meets no frame is dead: it never gets a gradient. A Mellin layer none of whose outputs
compares three ratios cannot tell a change of speaking rate from any other (`cnn_mellin.ops.tap_table`). A linear
layer without padding cannot be built if its kernel is longer than its input. Sizes of windows, layers and kernels
depend on each other, so that each range depends on the values sampled before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Literal

from cnn_mellin.config.model import AcousticModelConfig

__all__ = [
    "FAVOURABLE",
    "SAMPLED_SETTINGS",
    "KernelRule",
    "best_case",
    "can_live",
    "has_live_kernels",
    "kernel_range",
    "live_range",
]

KernelRule = Literal["any", "live", "three ratios"]
"""Rule that every model of a search keeps: none; no dead kernel row, and kernels that fit; also three ratios in some
output of every Mellin layer."""

SAMPLED_SETTINGS = (
    "window_size",
    "convolutional_layers",
    "convolutional_factor_schedule",
    "convolutional_kernel_offset",
    "convolutional_input_dilation",
    "convolutional_time_factor",
    "convolutional_kernel_time",
)
"""Settings of the model on which live kernels depend, in the order of sampling."""

FAVOURABLE = {
    "window_size": "high",
    "convolutional_layers": "low",
    "convolutional_factor_schedule": "high",
    "convolutional_input_dilation": "low",
    "convolutional_time_factor": "low",
    "convolutional_kernel_time": "low",
}
"""Settings of `live_range` in the order of sampling -> which end of a range favours live kernels."""

_Ranges = Mapping[str, tuple[int, int]]


def has_live_kernels(config: AcousticModelConfig, rule: KernelRule = "live") -> bool:
    """Check whether the model keeps a rule; padded linear layers always do.

    >>> config = AcousticModelConfig(convolutional_mellin=True, convolutional_layers=1, window_size=5)
    >>> config.convolutional_kernel_time = 6
    >>> has_live_kernels(config)
    True
    >>> config.convolutional_kernel_time = 7
    >>> has_live_kernels(config)
    False
    """
    return _is_free(config) or _keeps(rule, config.convolutional_mellin, *_values(config).values())


def can_live(rule: KernelRule, config: AcousticModelConfig, ranges: _Ranges) -> bool:
    """Check whether a model in the ranges keeps a rule.

    Args:
        rule: rule to keep.
        config: settings of the model; those with a range do not matter.
        ranges: ranges of some of SAMPLED_SETTINGS, ends included.

    >>> config = AcousticModelConfig(convolutional_mellin=True, convolutional_layers=1, convolutional_kernel_offset=6)
    >>> can_live("live", config, {"window_size": (2, 8)}), can_live("live", config, {"window_size": (2, 7)})
    (True, False)
    """
    if rule == "any" or _is_free(config):
        return True
    values, mellin = _values(config), config.convolutional_mellin
    return any(_keeps(rule, mellin, *candidate.values()) for candidate in _candidates(values, mellin, ranges))


def kernel_range(
    rule: KernelRule, name: str, low: int, high: int, config: AcousticModelConfig, later: _Ranges
) -> tuple[int, int]:
    """The longest run of values of a setting with each of which some model keeps a rule; the first of equals.

    Args:
        rule: rule to keep.
        name: one of SAMPLED_SETTINGS.
        low, high: range of the setting, both included.
        config: settings of the model, with the values sampled so far.
        later: ranges of the settings that are sampled after this one.

    Returns:
        Lower and upper end; the whole range if no model keeps the rule.

    >>> config = AcousticModelConfig(convolutional_mellin=True, convolutional_layers=1, window_size=8)
    >>> config.convolutional_kernel_offset = 2
    >>> kernel_range("three ratios", "convolutional_kernel_time", 1, 10, config, {})
    (3, 7)
    """
    if rule == "any" or _is_free(config):
        return low, high

    def fits(value: int) -> bool:
        return can_live(rule, config, {name: (value, value), **later})

    # A longer window keeps all products of a shorter one, and a model's first layers are a model.
    if name == "window_size":
        first = _first(range(low, high + 1), fits)
        return low if first is None else first, high
    if name == "convolutional_layers":
        last = _first(range(high, low - 1, -1), fits)
        return low, high if last is None else last
    runs: list[list[int]] = [[]]
    for value in range(low, high + 1):
        if fits(value):
            runs[-1].append(value)
        elif runs[-1]:
            runs.append([])
    longest = max(runs, key=len)
    return (longest[0], longest[-1]) if longest else (low, high)


def best_case(config: AcousticModelConfig, ranges: _Ranges) -> AcousticModelConfig:
    """Settings with the longest window, fewest layers and otherwise smallest values of ranges.

    Args:
        config: settings of the model.
        ranges: ranges of some of SAMPLED_SETTINGS.
    """
    values = {name: high if name == "window_size" else low for name, (low, high) in ranges.items()}
    return AcousticModelConfig(**{**asdict(config), **values})


def live_range(name: str, low: int, high: int, config: AcousticModelConfig, later: _Ranges) -> tuple[int, int]:
    """The part of a setting's range in which kernels can be live, connected to its favourable end.

    Studies that were created before `kernel_range` existed keep this range.

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
    if _is_free(config) or (mellin and config.convolutional_kernel_offset is not None):
        return low, high
    values = _values(config) | {entry: ends[FAVOURABLE[entry] == "high"] for entry, ends in later.items()}
    upwards = FAVOURABLE[name] == "low"
    end = None
    for value in range(low, high + 1) if upwards else range(high, low - 1, -1):
        if not _keeps("live", mellin, *(values | {name: value}).values()):
            break
        end = value
    if end is None:
        return low, high
    return (low, end) if upwards else (end, high)


def _is_free(config: AcousticModelConfig) -> bool:
    return not config.convolutional_mellin and config.convolutional_time_padding


def _values(config: AcousticModelConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in SAMPLED_SETTINGS}


def _first(values: Sequence[int], fits: Callable[[int], bool]) -> int | None:
    """The first value that fits, if all after it do, too; by bisection."""
    if not values or not fits(values[-1]):
        return None
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(values[middle]) else (middle + 1, high)
    return values[low]


def _candidates(values: Mapping[str, Any], mellin: bool, ranges: _Ranges) -> Iterator[dict[str, Any]]:
    """Values of SAMPLED_SETTINGS in the ranges, without those that can live only where others live, too."""
    chosen = dict(values)
    ranges = dict(ranges)
    for name, place in (("window_size", 1), ("convolutional_layers", 0)):
        if name in ranges:
            chosen[name] = ranges.pop(name)[place]
    num_layers = chosen["convolutional_layers"]
    if "convolutional_factor_schedule" in ranges:  # beyond the number of layers, none has a factor
        low, high = ranges["convolutional_factor_schedule"]
        ranges["convolutional_factor_schedule"] = (low, max(low, min(high, num_layers + 1)))
    yield from _choices(chosen, mellin, [name for name in SAMPLED_SETTINGS if name in ranges], ranges)


def _choices(chosen: dict[str, Any], mellin: bool, names: Sequence[str], ranges: _Ranges) -> Iterator[dict[str, Any]]:
    if not names:
        yield chosen
        return
    name, low, high = names[0], *ranges[names[0]]
    candidates: Iterable[int] = range(low, high + 1)
    if name == "convolutional_factor_schedule":
        candidates = range(high, low - 1, -1)
    elif _does_not_matter(name, chosen, mellin):
        candidates = (low,)
    for value in candidates:
        yield from _choices(chosen | {name: value}, mellin, names[1:], ranges)


def _does_not_matter(name: str, chosen: Mapping[str, Any], mellin: bool) -> bool:
    if name in ("convolutional_kernel_offset", "convolutional_input_dilation"):
        return not mellin
    if name == "convolutional_time_factor":
        with_offset = mellin and chosen["convolutional_kernel_offset"] is not None
        return with_offset or chosen["convolutional_factor_schedule"] > chosen["convolutional_layers"]
    return False


@lru_cache(maxsize=1 << 18)
def _keeps(
    rule: KernelRule,
    mellin: bool,
    window_size: int,
    num_layers: int,
    schedule: int,
    kernel_offset: int | None,
    input_dilation: int | None,
    time_factor: int,
    kernel_time: int,
) -> bool:
    """Check a model without padding of linear layers; its sizes are those of `plan_layers` along time."""
    from cnn_mellin.models.layer_plan import mellin_time  # imports torch, which most actions of `optim` do without
    from cnn_mellin.models.layer_summary import FEWEST_RATIOS
    from cnn_mellin.ops.tap_table import mellin_most_ratios, mellin_num_dead_rows

    num_frames = window_size
    for number in range(1, num_layers + 1):
        factor = time_factor if number % schedule == 0 else 1
        if not mellin:
            if num_frames < kernel_time:
                return False
            num_frames = (num_frames - kernel_time) // factor + 1
            continue
        length, offset, dilation = mellin_time(num_frames, kernel_time, factor, kernel_offset, input_dilation)
        sizes = num_frames, kernel_time, offset, dilation, length
        if not length or mellin_num_dead_rows(*sizes):
            return False
        if rule == "three ratios" and mellin_most_ratios(*sizes) < FEWEST_RATIOS:
            return False
        num_frames = length
    return True
