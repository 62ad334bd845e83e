"""Summary of a model's convolutional layers before it is trained: weights that can learn, cost, and remedies."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from cnn_mellin.config.model import AcousticModelConfig
from cnn_mellin.errors import SettingsError
from cnn_mellin.models.layer_plan import LayerPlan, plan_front_end, plan_layers
from cnn_mellin.ops.tap_table import mellin_most_ratios, mellin_num_dead_rows

__all__ = ["FEWEST_RATIOS", "LayerSummary", "summarize_layers"]

FEWEST_RATIOS = 3
"""Fewest frames that an output must compare: with one it weighs a frame, with two it takes a difference; three form a
pattern along log time, which a change of speaking rate shifts."""
# Windows beyond this length are not proposed; kernels of fewer rows than ratios have no window that helps.
_LONGEST_WINDOW = 1 << 20


@dataclass(frozen=True)
class LayerSummary:
    """Weights and cost of all that comes before the recurrent layers, and the faults of Mellin layers.

    Args:
        num_weights: number of weights of convolutions and pooling, biases included.
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
        plan = plan_front_end(num_features, config)
    except SettingsError as error:
        return LayerSummary(fault=str(error))
    return LayerSummary(
        plan.num_weights,
        plan.num_live_weights,
        plan.multiply_adds / config.window_stride,
        _fault(num_features, config, plan.layers),
    )


def _mellin_faults(plan: Iterable[LayerPlan]) -> Iterator[_MellinFault]:
    for number, layer in enumerate(plan, 1):
        if layer.mellin:
            sizes = layer.in_sizes[0], layer.kernel[0], layer.kernel_offset, layer.input_dilation, layer.out_sizes[0]
            num_dead_rows, too_few_ratios = mellin_num_dead_rows(*sizes), mellin_most_ratios(*sizes) < FEWEST_RATIOS
            if num_dead_rows or too_few_ratios:
                yield _MellinFault(number, layer.in_sizes[0], layer.kernel[0], num_dead_rows, too_few_ratios)


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
    shorter = range(min(kernel - 1, 2 * window), FEWEST_RATIOS - 1, -1)
    longer = range(kernel + 1, FEWEST_RATIOS + 1)
    lengths = (length for length in (*shorter, *longer) if cures("convolutional_kernel_time", length))
    remedies += [f"convolutional_kernel_time = {length}" for length in itertools.islice(lengths, 1)]
    others = range(1, window if offset is None else min(offset, window + 1))
    offsets = (other for other in others if cures("convolutional_kernel_offset", other))
    return remedies + [f"convolutional_kernel_offset = {other}" for other in itertools.islice(offsets, 1)]
