"""Forward and backward of Mellin layers against torch's convolutions of the same kernel and output size.

All are timed in turns in one run, so that what else the machine does meets all of them; medians. The convolution is the
faster of torch's `padding="same"` and symmetric padding of half the kernel (a frame or coefficient more for even ones).
"""

from __future__ import annotations

import argparse
import math
import platform
import random
import statistics
import time
import warnings
from collections.abc import Callable, Sequence

import torch

from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from report import write_section

# signals, channels in and out, frames, coefficients, kernel in time and frequency
LISTED: list[tuple[int, ...]] = [
    (750, 27, 27, 4, 81, 6, 10),
    (750, 1, 27, 4, 81, 6, 10),
    (1000, 64, 64, 5, 81, 3, 3),
    (1500, 20, 20, 3, 41, 4, 8),
    (500, 32, 32, 10, 81, 5, 5),
]
# signals, channels, samples, kernel
RAW: list[tuple[int, ...]] = [(50, channels, window, kernel) for channels, window, kernel in (
    (16, 200, 3), (16, 1000, 5), (32, 200, 10), (32, 400, 5), (32, 1000, 3), (64, 200, 8), (64, 400, 10), (64, 1000, 4)
)]  # fmt: skip


def drawn(number: int, seed: int) -> list[tuple[int, ...]]:
    """Shapes from the search's ranges, with about as many windows as fill a batch."""
    chance = random.Random(seed)
    shapes: list[tuple[int, ...]] = []
    for _ in range(number):
        channels = round(16 * 4 ** chance.random())
        first = chance.random() < 0.25
        frames, coefficients = chance.randint(2, 10), chance.choice([41, 81])
        kernel = (chance.randint(1, 10), chance.randint(1, 20))
        signals = min(1500, round(4e6 / (channels * frames * coefficients)))
        shapes.append((signals, 1 if first else channels, channels, frames, coefficients, *kernel))
    return shapes


def alternate(steps: Sequence[Callable[[], tuple[float, float]]], repeats: int) -> list[tuple[float, float]]:
    """Median forward and backward milliseconds of each, run in turns; the first turn warms up."""
    times: list[list[tuple[float, float]]] = [[] for _ in steps]
    for turn in range(repeats + 1):
        for step, taken in zip(steps, times, strict=True):
            result = step()
            if turn:
                taken.append(result)
    return [(statistics.median(f for f, _ in taken), statistics.median(b for _, b in taken)) for taken in times]


def timed(function: Callable[[], torch.Tensor], gradient: torch.Tensor) -> Callable[[], tuple[float, float]]:
    """Milliseconds of forward and of backward."""

    def step() -> tuple[float, float]:
        began = time.perf_counter()
        out = function()
        middle = time.perf_counter()
        out.backward(gradient if out.shape == gradient.shape else torch.ones_like(out))
        return 1000 * (middle - began), 1000 * (time.perf_counter() - middle)

    return step


def compare_2d(shape: tuple[int, ...], dtype: torch.dtype, repeats: int) -> list[tuple[float, float]]:
    """The faster convolution, then the Mellin correlation in its chosen formulation."""
    signals, channels, outputs, frames, coefficients, kernel, width = shape
    signal = torch.randn(signals, channels, frames, coefficients, dtype=dtype, requires_grad=True)
    weight = torch.randn(outputs, channels, kernel, width, dtype=dtype, requires_grad=True)
    bias = torch.randn(outputs, dtype=dtype, requires_grad=True)
    gradient = torch.randn(signals, outputs, frames, coefficients, dtype=dtype)
    same, half = (
        torch.nn.Conv2d(channels, outputs, (kernel, width), padding=padding, dtype=dtype)
        for padding in ("same", (kernel // 2, width // 2))
    )
    left = (width - 1) // 2

    def mellin() -> torch.Tensor:
        return mellin_linear_correlate_2d(
            signal,
            weight,
            bias,
            input_dilation=(kernel - 1) // 2 + 1,
            output_length=frames,
            padding=(left, width - 1 - left),
        )

    steps = [timed(lambda: same(signal), gradient), timed(lambda: half(signal), gradient), timed(mellin, gradient)]
    first, second, ours = alternate(steps, repeats)
    return [min(first, second, key=sum), ours]


def compare_1d(shape: tuple[int, ...], dtype: torch.dtype, repeats: int) -> list[tuple[float, float]]:
    """As `compare_2d`, for raw audio."""
    signals, channels, samples, kernel = shape
    signal = torch.randn(signals, channels, samples, dtype=dtype, requires_grad=True)
    weight = torch.randn(channels, channels, kernel, dtype=dtype, requires_grad=True)
    bias = torch.randn(channels, dtype=dtype, requires_grad=True)
    gradient = torch.randn(signals, channels, samples, dtype=dtype)
    same, half = (
        torch.nn.Conv1d(channels, channels, kernel, padding=padding, dtype=dtype) for padding in ("same", kernel // 2)
    )
    dilation = (kernel - 1) // 2 + 1

    def mellin() -> torch.Tensor:
        return mellin_correlate_1d(signal, weight, bias, input_dilation=dilation, output_length=samples)

    steps = [timed(lambda: same(signal), gradient), timed(lambda: half(signal), gradient), timed(mellin, gradient)]
    first, second, ours = alternate(steps, repeats)
    return [min(first, second, key=sum), ours]


def table(
    shapes: Sequence[tuple[int, ...]],
    compare: Callable[[tuple[int, ...], torch.dtype, int], list[tuple[float, float]]],
    dtype: torch.dtype,
    repeats: int,
) -> str:
    """Markdown rows, and the geometric mean of the ratios."""
    lines = ["| shape | convolution ms | Mellin ms | forward | backward | total |", "|---|--:|--:|--:|--:|--:|"]
    ratios = []
    for shape in shapes:
        (forward, backward), (our_forward, our_backward) = compare(shape, dtype, repeats)
        ratios.append((our_forward + our_backward) / (forward + backward))
        parts = [f"{our_forward / forward:.2f}", f"{our_backward / backward:.2f}", f"{ratios[-1]:.2f}"]
        totals = [f"{forward + backward:.0f}", f"{our_forward + our_backward:.0f}"]
        lines.append("| " + " | ".join([str(shape), *totals, *parts]) + " |")
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    lines.append(f"\nGeometric mean of the totals {mean:.2f}, largest {max(ratios):.2f}.")
    return "\n".join(lines)


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--drawn", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
    torch.set_num_threads(arguments.threads)
    parts = [
        "## Mellin correlation against convolution",
        f"`python benchmarks/mellin_correlation.py --threads {arguments.threads} --repeats {arguments.repeats} --seed "
        f"{arguments.seed}`; torch {torch.__version__}, {platform.machine()}. Forward and backward, gradients of "
        "signal, kernel and bias; the columns at the right are Mellin divided by convolution, so below 1 is faster.",
        "### 2-d, listed: (signals, channels in, out, frames, coefficients, kernel frames, kernel coefficients)",
        table(LISTED, compare_2d, torch.float32, arguments.repeats),
        "### 2-d, drawn from the search's ranges",
        table(drawn(arguments.drawn, arguments.seed), compare_2d, torch.float32, arguments.repeats),
        "### 2-d, bfloat16",
        table(LISTED, compare_2d, torch.bfloat16, arguments.repeats),
        "### 1-d: (signals, channels, samples, kernel)",
        table(RAW, compare_1d, torch.float32, arguments.repeats),
    ]
    write_section("mellin_correlation", "\n\n".join(parts))


if __name__ == "__main__":
    main()
