"""Summary of a model's convolutional layers before it is trained: weights that can learn, cost, and remedies."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.models.layer_plan import LayerPlan, plan_layers

__all__ = ["LayerSummary", "summarize_layers"]

# An output with one ratio weighs a frame, with two it takes a difference; three are the fewest that form a pattern
# along log time, which a change of speaking rate shifts.
_FEWEST_RATIOS = 3
# Windows beyond this length are not proposed; kernels of fewer rows than ratios have no window that helps.
_LONGEST_WINDOW = 1 << 20


@dataclass(frozen=True)
class LayerSummary:
    """Weights and cost of all convolutional layers, and the faults of Mellin layers.

    Args:
        num_weights: number of weights, biases included.
        num_live_weights: number of weights that can get a gradient: biases, and kernel rows that meet a frame.
        multiply_adds_per_frame: multiply-adds of all layers, divided by the frames from one window to the next.
        fault: one line that names dead kernel rows and layers that compare fewer than three ratios, with remedies; or
            None.
    """

    num_weights: int = 0
    num_live_weights: int = 0
    multiply_adds_per_frame: float = 0.0
    fault: str | None = None

    @property
    def cost(self) -> str:
        """Weights and multiply-adds as one line.

        >>> LayerSummary(1200, 800, 54321.5).cost
        'convolutions: 1,200 weights, 800 of them live; 54,322 multiply-adds per frame'
        """
        return (
            f"convolutions: {self.num_weights:,} weights, {self.num_live_weights:,} of them live; "
            f"{self.multiply_adds_per_frame:,.0f} multiply-adds per frame"
        )


@dataclass(frozen=True)
class _MellinFault:
    """Fault of one Mellin layer; layers are counted from 1."""

    layer: int
    num_frames: int
    num_rows: int
    num_dead_rows: int
    too_few_ratios: bool


def summarize_layers(num_features: int, config: AcousticModelConfig) -> LayerSummary:
    """Summary of the convolutional layers of an acoustic model.

    Settings from which no model can be built give a summary without weights, whose `fault` says why.

    Args:
        num_features: coefficients per frame; 1 is raw audio.
        config: settings of the model.

    >>> published = AcousticModelConfig(
    ...     window_size=2, convolutional_kernel_time=6, convolutional_layers=1, convolutional_mellin=True
    ... )
    >>> print(summarize_layers(81, published).fault)
    [model] 4 of 6 kernel rows of layer 1 meet no frame of its 2-frame input and never learn; no output \
compares three ratios: take window_size >= 5
    """
    try:
        plan = plan_layers(num_features, config)
    except SettingsError as error:
        return LayerSummary(fault=str(error))
    multiply_adds = sum(layer.multiply_adds for layer in plan)
    return LayerSummary(
        sum(layer.out_channels * (1 + layer.in_channels * layer.kernel[0] * layer.kernel[1]) for layer in plan),
        sum(layer.num_live_weights for layer in plan),
        multiply_adds / config.window_stride,
        _fault(num_features, config, plan),
    )


def _mellin_faults(plan: Iterable[LayerPlan]) -> Iterator[_MellinFault]:
    for number, layer in enumerate(plan, 1):
        if layer.mellin:
            num_dead_rows, too_few_ratios = _num_dead_rows(layer), _most_ratios(layer) < _FEWEST_RATIOS
            if num_dead_rows or too_few_ratios:
                yield _MellinFault(number, layer.in_sizes[0], layer.kernel[0], num_dead_rows, too_few_ratios)


# The two counts below equal those of `TapTable`, without its products: remedies are found by trying many sizes.
# Output t (from 1) multiplies row k with frame t (k + d) / u, where that is whole and at most T.
# T frames, K kernel rows, d kernel offset, u input dilation.


def _num_dead_rows(layer: LayerPlan) -> int:
    """Number of kernel rows that meet no frame: row k meets its first in output u / g, g = gcd(k + d, u)."""
    dead = 0
    for place in range(layer.kernel_offset, layer.kernel_offset + layer.kernel[0]):
        divisor = math.gcd(place, layer.input_dilation)
        dead += place // divisor > layer.in_sizes[0] or layer.input_dilation // divisor > layer.out_sizes[0]
    return dead


def _most_ratios(layer: LayerPlan) -> int:
    """Most frames that one output compares.

    Output t meets the rows whose k + d is a multiple of u / gcd(t, u). Of the outputs with the same divisor, the
    divisor itself comes first, and meets the earliest frames: multiple m meets frame m.
    """
    most = 0
    first, last = layer.kernel_offset, layer.kernel_offset + layer.kernel[0] - 1
    for output in range(1, min(layer.input_dilation, layer.out_sizes[0]) + 1):
        if layer.input_dilation % output == 0:
            step = layer.input_dilation // output
            most = max(most, min(last // step, layer.in_sizes[0]) - -(-first // step) + 1)
    return most


def _fault(num_features: int, config: AcousticModelConfig, plan: Sequence[LayerPlan]) -> str | None:
    faults = list(_mellin_faults(plan))
    if not faults:
        return None
    sentences = []
    dead = [fault for fault in faults if fault.num_dead_rows]
    if dead:
        num_dead_rows, num_rows = (sum(getattr(f, name) for f in dead) for name in ("num_dead_rows", "num_rows"))
        sentences.append(
            f"{num_dead_rows} of {num_rows} kernel rows of {_layers(dead)} meet no frame of "
            f"{'its' if len(dead) == 1 else 'their'} {_frames(dead)} and never learn"
        )
    few = [fault for fault in faults if fault.too_few_ratios]
    if few:
        of_layers = "" if few == dead else f" of {_layers(few)}"
        sentences.append(f"no output{of_layers} compares three ratios")
    remedies = _remedies(num_features, config)
    advice = f": take {' or '.join(remedies)}" if remedies else ""
    return f"[model] {'; '.join(sentences)}{advice}"


def _layers(faults: Sequence[_MellinFault]) -> str:
    numbers = [fault.layer for fault in faults]
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"layers {numbers[0]} to {numbers[-1]}"
    return f"layers {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _frames(faults: Sequence[_MellinFault]) -> str:
    sizes = sorted({fault.num_frames for fault in faults})
    noun = "input" if len(faults) == 1 else "inputs"
    return f"{sizes[0]}-frame {noun}" if len(sizes) == 1 else f"{noun} of {sizes[0]} to {sizes[-1]} frames"


def _remedies(num_features: int, config: AcousticModelConfig) -> list[str]:
    """Changes of one setting, each of which leaves no fault, in words."""

    def cures(name: str, value: int) -> bool:
        changed = AcousticModelConfig(**(asdict(config) | {name: value}))
        try:
            return next(iter(_mellin_faults(plan_layers(num_features, changed))), None) is None
        except SettingsError:
            return False

    remedies = []
    window, kernel, offset = config.window_size, config.convolutional_kernel_time, config.convolutional_kernel_offset
    long = window
    while long < _LONGEST_WINDOW and not cures("window_size", long):
        long *= 2
    # A longer window keeps every product of a shorter one, so that all windows from some length on have no fault.
    windows = range(window, long + 1)
    place = bisect.bisect_left(windows, True, key=lambda size: cures("window_size", size))
    if place < len(windows):
        remedies.append(f"window_size >= {windows[place]}")
    shorter = range(min(kernel - 1, 2 * window), _FEWEST_RATIOS - 1, -1)
    longer = range(kernel + 1, _FEWEST_RATIOS + 1)
    lengths = (length for length in (*shorter, *longer) if cures("convolutional_kernel_time", length))
    remedies += [f"convolutional_kernel_time = {length}" for length in itertools.islice(lengths, 1)]
    others = range(1, window if offset is None else min(offset, window + 1))
    offsets = (other for other in others if cures("convolutional_kernel_offset", other))
    return remedies + [f"convolutional_kernel_offset = {other}" for other in itertools.islice(offsets, 1)]
