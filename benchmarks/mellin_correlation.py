"""Forward and backward of Mellin layers against torch's convolutions of the same kernel and output size.

All are timed in turns in one run, so that what else the machine does meets all of them; medians. Each shape has a
process of its own, so that it finds no memory that others left. The convolution is the faster of torch's
`padding="same"` and symmetric padding of half the kernel (a frame or coefficient more for even ones). Peak memory is
that of a process of its own for each, above what it has before: what forward and backward take beside signal, kernel
and incoming gradient.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from cnn_mellin.ops import mellin_correlate_1d, mellin_linear_correlate_2d
from cnn_mellin.ops.mellin_correlation import Formulation
from report import write_section

FORMULATIONS: list[Formulation] = ["slices", "spectra", "products", "frames", "groups", "spread"]
# signals, channels in and out, frames, coefficients, kernel in time and frequency
LISTED: list[tuple[int, ...]] = [
    (750, 27, 27, 4, 81, 6, 10),
    (750, 1, 27, 4, 81, 6, 10),
    (1000, 64, 64, 5, 81, 3, 3),
    (1500, 20, 20, 3, 41, 4, 8),
    (500, 32, 32, 10, 81, 5, 5),
]
# signals (a batch of five utterances has about a thousand windows), channels, samples, kernel
RAW: list[tuple[int, ...]] = [(1000, channels, window, kernel) for channels, window, kernel in (
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


Step = Callable[[], torch.Tensor]


def steps_2d(
    shape: tuple[int, ...], dtype: torch.dtype, formulations: Sequence[Formulation | None]
) -> tuple[list[Step], torch.Tensor]:
    """Two convolutions, then the Mellin correlation in each formulation (none: the one it chooses); a gradient."""
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

    def mellin(formulated_as: Formulation | None) -> torch.Tensor:
        return mellin_linear_correlate_2d(
            signal,
            weight,
            bias,
            input_dilation=(kernel - 1) // 2 + 1,
            output_length=frames,
            padding=(left, width - 1 - left),
            formulated_as=formulated_as,
        )

    ours: list[Step] = [partial(mellin, formulated_as) for formulated_as in formulations]
    return [lambda: same(signal), lambda: half(signal), *ours], gradient


def steps_1d(
    shape: tuple[int, ...], dtype: torch.dtype, formulations: Sequence[Formulation | None]
) -> tuple[list[Step], torch.Tensor]:
    """As `steps_2d`, for raw audio."""
    signals, channels, samples, kernel = shape
    signal = torch.randn(signals, channels, samples, dtype=dtype, requires_grad=True)
    weight = torch.randn(channels, channels, kernel, dtype=dtype, requires_grad=True)
    bias = torch.randn(channels, dtype=dtype, requires_grad=True)
    gradient = torch.randn(signals, channels, samples, dtype=dtype)
    same, half = (
        torch.nn.Conv1d(channels, channels, kernel, padding=padding, dtype=dtype) for padding in ("same", kernel // 2)
    )

    def mellin(formulated_as: Formulation | None) -> torch.Tensor:
        if formulated_as is not None:
            raise ValueError("formulations are compared in 2-d")
        return mellin_correlate_1d(signal, weight, bias, input_dilation=(kernel - 1) // 2 + 1, output_length=samples)

    ours: list[Step] = [partial(mellin, formulated_as) for formulated_as in formulations]
    return [lambda: same(signal), lambda: half(signal), *ours], gradient


# A program whose memory is kept when it is freed: the system gives and zeroes no new memory for every result.
KEPT = {"MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_MMAP_THRESHOLD_": "8000000000"}


class Timing(NamedTuple):
    """How shapes are timed."""

    threads: int
    repeats: int
    dtype: str = "float32"
    kept: bool = False


def compare(shape: tuple[int, ...], how: Timing) -> list[tuple[float, float]]:
    """Forward and backward of the faster convolution, then of the Mellin correlation as it chooses."""
    call = [sys.executable, __file__, "--one", json.dumps(shape), how.dtype, str(how.threads), str(how.repeats)]
    environment = os.environ | (KEPT if how.kept else {})
    result = subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
    found: list[tuple[float, float]] = json.loads(result.stdout)
    return found


def print_one(shape: tuple[int, ...], dtype: str, threads: int, repeats: int) -> None:
    """What `compare` runs."""
    torch.set_num_threads(threads)
    steps, gradient = (steps_2d if len(shape) == 7 else steps_1d)(shape, getattr(torch, dtype), [None])
    first, second, ours = alternate([timed(step, gradient) for step in steps], repeats)
    print(json.dumps([min(first, second, key=sum), ours]))


def table(shapes: Sequence[tuple[int, ...]], how: Timing) -> str:
    """Markdown rows, and the geometric mean of the ratios."""
    lines = ["| shape | convolution ms | Mellin ms | forward | backward | total |", "|---|--:|--:|--:|--:|--:|"]
    ratios = []
    for shape in shapes:
        (forward, backward), (our_forward, our_backward) = compare(shape, how)
        ratios.append((our_forward + our_backward) / (forward + backward))
        parts = [f"{our_forward / forward:.2f}", f"{our_backward / backward:.2f}", f"{ratios[-1]:.2f}"]
        totals = [f"{forward + backward:.0f}", f"{our_forward + our_backward:.0f}"]
        lines.append("| " + " | ".join([str(shape), *totals, *parts]) + " |")
        print(lines[-1], flush=True)
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    lines.append(f"\nGeometric mean of the totals {mean:.2f}, largest {max(ratios):.2f}.")
    return "\n".join(lines)


def formulation_table(repeats: int) -> str:
    """Forward, backward, total and peak memory of each formulation, divided by those of the convolution."""
    lines = ["| shape | formulation | forward | backward | total | memory |", "|---|---|--:|--:|--:|--:|"]
    for shape in LISTED:
        left_out = "spectra" if shape[1] == 1 else "products"
        formulations = [name for name in FORMULATIONS if name != left_out]
        steps, gradient = steps_2d(shape, torch.float32, formulations)
        first, second, *ours = alternate([timed(step, gradient) for step in steps], repeats)
        linear = min(first, second, key=sum)
        memory = min(peak_megabytes(shape, "same"), peak_megabytes(shape, "half"))
        for name, times in zip(formulations, ours, strict=True):
            ratios = [times[0] / linear[0], times[1] / linear[1], sum(times) / sum(linear)]
            ratios.append(peak_megabytes(shape, name) / memory)
            lines.append(f"| {shape} | {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return "\n".join(lines)


def memory_table() -> str:
    """Peak memory, of the convolution that takes least and of the Mellin correlation."""
    lines = ["| shape | convolution MB | Mellin MB | ratio |", "|---|--:|--:|--:|"]
    for shape in [*LISTED, *RAW]:
        linear = min(peak_megabytes(shape, "same"), peak_megabytes(shape, "half"))
        ours = peak_megabytes(shape, "chosen")
        lines.append(f"| {shape} | {linear:.0f} | {ours:.0f} | {ours / linear:.2f} |")
    return "\n".join(lines)


def peak_megabytes(shape: tuple[int, ...], name: str) -> float:
    """Peak of forward and backward above what was there before, in a process of its own."""
    call = [sys.executable, __file__, "--peak", name, json.dumps(shape)]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def print_own_peak(name: str, shape: tuple[int, ...]) -> None:
    """What `peak_megabytes` runs."""
    linear = ["same", "half"]
    formulations: list[Formulation | None] = [form for form in FORMULATIONS if form == name] or [None]
    make = steps_2d if len(shape) == 7 else steps_1d
    small, gradient = make((2, *shape[1:]), torch.float32, formulations)
    place = linear.index(name) if name in linear else 2
    timed(small[place], gradient)()  # whatever is loaded and made once
    steps, gradient = make(shape, torch.float32, formulations)
    before = status_megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    timed(steps[place], gradient)()
    print(status_megabytes("VmHWM") - before)


def status_megabytes(name: str) -> float:
    """A figure of this process's memory."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def timed_section(threads: int, repeats: int, drawn_shapes: Sequence[tuple[int, ...]]) -> str:
    """All shapes on so many threads."""
    how = Timing(threads, repeats)
    return "\n\n".join(
        [
            f"### On {threads} thread" + "s" * (threads > 1),
            "2-d, listed",
            table(LISTED, how),
            "2-d, drawn from the search's ranges",
            table(drawn_shapes, how),
            "1-d",
            table(RAW, how),
            f"1-d, in a program that keeps the memory that it frees ({' '.join(f'{k}={v}' for k, v in KEPT.items())})",
            table(RAW, how._replace(kept=True)),
            "2-d, bfloat16",
            table(LISTED, how._replace(dtype="bfloat16")),
        ]
    )


def main() -> None:
    """Measure and write the sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--drawn", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parts = ["two", "one", "formulations", "memory"]
    parser.add_argument("--part", nargs="*", choices=parts, default=parts, help="2 threads, 1, ... (default: all)")
    parser.add_argument("--one", nargs=4, metavar=("SHAPE", "DTYPE", "THREADS", "REPEATS"), help=argparse.SUPPRESS)
    parser.add_argument("--peak", nargs=2, metavar=("NAME", "SHAPE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
    if arguments.peak:
        print_own_peak(arguments.peak[0], tuple(json.loads(arguments.peak[1])))
        return
    if arguments.one:
        shape, dtype, threads, times = arguments.one
        print_one(tuple(json.loads(shape)), dtype, int(threads), int(times))
        return
    repeats = arguments.repeats
    head = (
        "## Mellin correlation against convolution\n\n"
        f"`python benchmarks/mellin_correlation.py --repeats {repeats} --seed {arguments.seed}`; torch "
        f"{torch.__version__}, {platform.machine()}. Forward and backward, gradients of signal, kernel and bias; the "
        "columns at the right are Mellin divided by convolution, so below 1 is faster. Each shape in a process of its "
        "own. Shapes in 2-d: (signals, "
        "channels in, channels out, frames, coefficients, kernel frames, kernel coefficients); in 1-d: (signals, "
        "channels, samples, kernel)."
    )
    write_section("mellin_correlation", head)
    shapes = drawn(arguments.drawn, arguments.seed)
    if "two" in arguments.part:
        write_section("mellin_two_threads", timed_section(2, repeats, shapes))
    if "one" in arguments.part:
        write_section("mellin_one_thread", timed_section(1, repeats, shapes))
    if "formulations" in arguments.part:
        torch.set_num_threads(2)
        write_section("mellin_formulations", f"### Every formulation, on 2 threads\n\n{formulation_table(repeats)}")
    if "memory" in arguments.part:
        write_section("mellin_memory", f"### Peak memory of forward and backward\n\n{memory_table()}")


if __name__ == "__main__":
    main()
