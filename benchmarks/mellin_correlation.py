"""Time and memory of Mellin layers, against torch's convolutions of the same kernel and output size.

Forward and backward are timed in turns in one run, so that other load on the machine affects all alike; figures are
medians. Each shape runs in its own process, so that it does not reuse memory of another. The convolution is the faster
of torch's `padding="same"` and symmetric padding of half the kernel (one frame or coefficient more for even kernels).
Peak memory is measured in a process per layer, above the memory in use before: what forward and backward need besides
signal, kernel and gradient of the output.
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

from cnn_mellin.ops import mellin_correlate_1d
from cnn_mellin.ops.mellin_correlation import Formulation, correlate_by_formulation
from report import write_section

FORMULATIONS: list[Formulation] = [
    *("per_tap", "dft", "im2col", "pointwise"),
    *("per_frame", "dense", "gather", "dynamic_gather", "joint_gather"),
]
# signals, channels in and out, frames, coefficients, kernel frames, kernel coefficients
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


# The shapes of the table of every formulation: besides those of models, the shortest window and a long one.
COMPARED: list[tuple[int, ...]] = [*LISTED, (1500, 32, 32, 2, 81, 3, 3), (100, 16, 16, 60, 41, 3, 3), RAW[0], RAW[3]]


def sampled_shapes(number: int, seed: int) -> list[tuple[int, ...]]:
    """Sample shapes from the search's ranges, with about as many windows as fill a batch."""
    rng = random.Random(seed)
    shapes: list[tuple[int, ...]] = []
    for _ in range(number):
        channels = round(16 * 4 ** rng.random())
        first = rng.random() < 0.25
        frames, coefficients = rng.randint(2, 10), rng.choice([41, 81])
        kernel = (rng.randint(1, 10), rng.randint(1, 20))
        signals = min(1500, round(4e6 / (channels * frames * coefficients)))
        shapes.append((signals, 1 if first else channels, channels, frames, coefficients, *kernel))
    return shapes


def alternate(steps: Sequence[Callable[[], tuple[float, float]]], repeats: int) -> list[tuple[float, float]]:
    """Run steps in turns, after one turn of warm-up; median forward and backward milliseconds of each."""
    times: list[list[tuple[float, float]]] = [[] for _ in steps]
    for turn in range(repeats + 1):
        for step, taken in zip(steps, times, strict=True):
            result = step()
            if turn:
                taken.append(result)
    return [(statistics.median(f for f, _ in taken), statistics.median(b for _, b in taken)) for taken in times]


def timed(function: Callable[[], torch.Tensor], grad_output: torch.Tensor) -> Callable[[], tuple[float, float]]:
    """A step that returns the milliseconds of forward and of backward."""

    def step() -> tuple[float, float]:
        began = time.perf_counter()
        out = function()
        middle = time.perf_counter()
        out.backward(grad_output if out.shape == grad_output.shape else torch.ones_like(out))
        return 1000 * (middle - began), 1000 * (time.perf_counter() - middle)

    return step


Step = Callable[[], torch.Tensor]


def steps_2d(
    shape: tuple[int, ...], dtype: torch.dtype, formulations: Sequence[Formulation | None]
) -> tuple[list[Step], torch.Tensor]:
    """Two convolutions, then the Mellin correlation by each formulation (None: the chosen one); output gradient."""
    signals, channels, outputs, frames, coefficients, kernel, width = shape
    signal = torch.randn(signals, channels, frames, coefficients, dtype=dtype, requires_grad=True)
    weight = torch.randn(outputs, channels, kernel, width, dtype=dtype, requires_grad=True)
    bias = torch.randn(outputs, dtype=dtype, requires_grad=True)
    grad_output = torch.randn(signals, outputs, frames, coefficients, dtype=dtype)
    same, half = (
        torch.nn.Conv2d(channels, outputs, (kernel, width), padding=padding, dtype=dtype)
        for padding in ("same", (kernel // 2, width // 2))
    )
    left = (width - 1) // 2

    def mellin(formulation: Formulation | None) -> torch.Tensor:
        return correlate_by_formulation(
            signal,
            weight,
            bias,
            input_dilation=(kernel - 1) // 2 + 1,
            output_length=frames,
            padding=(left, width - 1 - left),
            formulation=formulation,
        )

    ours: list[Step] = [partial(mellin, formulation) for formulation in formulations]
    return [lambda: same(signal), lambda: half(signal), *ours], grad_output


def compared_formulations(shape: tuple[int, ...]) -> list[Formulation]:
    """Formulations that can compute a shape without taking many times as long as the others."""
    pointwise, long = len(shape) == 4, shape[3 if len(shape) == 7 else 2] > 20
    left_out = {"dft", "im2col"} if pointwise else {"pointwise"}
    left_out |= {"dense"} if long else set()
    return [name for name in FORMULATIONS if name not in left_out]


def steps_1d(
    shape: tuple[int, ...], dtype: torch.dtype, formulations: Sequence[Formulation | None]
) -> tuple[list[Step], torch.Tensor]:
    """Like `steps_2d`, for raw audio."""
    signals, channels, samples, kernel = shape
    signal = torch.randn(signals, channels, samples, dtype=dtype, requires_grad=True)
    weight = torch.randn(channels, channels, kernel, dtype=dtype, requires_grad=True)
    bias = torch.randn(channels, dtype=dtype, requires_grad=True)
    grad_output = torch.randn(signals, channels, samples, dtype=dtype)
    same, half = (
        torch.nn.Conv1d(channels, channels, kernel, padding=padding, dtype=dtype) for padding in ("same", kernel // 2)
    )

    def mellin(formulation: Formulation | None) -> torch.Tensor:
        dilation = (kernel - 1) // 2 + 1
        if formulation is None:
            return mellin_correlate_1d(signal, weight, bias, input_dilation=dilation, output_length=samples)
        return correlate_by_formulation(
            signal.unsqueeze(3),
            weight.unsqueeze(3),
            bias,
            input_dilation=dilation,
            output_length=samples,
            formulation=formulation,
        ).squeeze(3)

    ours: list[Step] = [partial(mellin, formulation) for formulation in formulations]
    return [lambda: same(signal), lambda: half(signal), *ours], grad_output


# Makes glibc keep freed memory, so that the system need not provide and zero new memory for every result.
KEPT = {"MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_MMAP_THRESHOLD_": "8000000000"}


class Timing(NamedTuple):
    """Settings of a timing run."""

    threads: int
    repeats: int
    dtype: str = "float32"
    kept: bool = False


def compare(shape: tuple[int, ...], how: Timing) -> list[tuple[float, float]]:
    """Forward and backward milliseconds of the faster convolution, then of the Mellin correlation."""
    call = [sys.executable, __file__, "--one", json.dumps(shape), how.dtype, str(how.threads), str(how.repeats)]
    environment = os.environ | (KEPT if how.kept else {})
    result = subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
    found: list[tuple[float, float]] = json.loads(result.stdout)
    return found


def print_one(shape: tuple[int, ...], dtype: str, threads: int, repeats: int) -> None:
    """Time one shape and print the result; `compare` runs this in a process of its own."""
    torch.set_num_threads(threads)
    steps, grad_output = (steps_2d if len(shape) == 7 else steps_1d)(shape, getattr(torch, dtype), [None])
    first, second, ours = alternate([timed(step, grad_output) for step in steps], repeats)
    print(json.dumps([min(first, second, key=sum), ours]))


def table(shapes: Sequence[tuple[int, ...]], how: Timing) -> str:
    """Markdown table of all shapes, and the geometric mean of the ratios."""
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
    """Markdown table of forward, backward, total and peak memory of each formulation, divided by the convolution's."""
    lines = ["| shape | formulation | forward | backward | total | memory |", "|---|---|--:|--:|--:|--:|"]
    for shape in COMPARED:
        formulations = compared_formulations(shape)
        make = steps_2d if len(shape) == 7 else steps_1d
        steps, grad_output = make(shape, torch.float32, formulations)
        first, second, *ours = alternate([timed(step, grad_output) for step in steps], repeats)
        linear = min(first, second, key=sum)
        memory = min(peak_megabytes(shape, "same"), peak_megabytes(shape, "half"))
        for name, times in zip(formulations, ours, strict=True):
            ratios = [times[0] / linear[0], times[1] / linear[1], sum(times) / sum(linear)]
            ratios.append(peak_megabytes(shape, name) / memory)
            lines.append(f"| {shape} | {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def memory_table() -> str:
    """Markdown table of peak memory: the convolution that needs less, and the Mellin correlation."""
    lines = ["| shape | convolution MB | Mellin MB | ratio |", "|---|--:|--:|--:|"]
    for shape in [*LISTED, *RAW]:
        linear = min(peak_megabytes(shape, "same"), peak_megabytes(shape, "half"))
        ours = peak_megabytes(shape, "chosen")
        lines.append(f"| {shape} | {linear:.0f} | {ours:.0f} | {ours / linear:.2f} |")
    return "\n".join(lines)


def peak_megabytes(shape: tuple[int, ...], name: str) -> float:
    """Peak memory of forward and backward, above the memory in use before, in a process of its own."""
    call = [sys.executable, __file__, "--peak", name, json.dumps(shape)]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def print_own_peak(name: str, shape: tuple[int, ...]) -> None:
    """Measure one shape and print its peak; `peak_megabytes` runs this in a process of its own."""
    linear = ["same", "half"]
    formulations: list[Formulation | None] = [form for form in FORMULATIONS if form == name] or [None]
    make = steps_2d if len(shape) == 7 else steps_1d
    small, grad_output = make((2, *shape[1:]), torch.float32, formulations)
    place = linear.index(name) if name in linear else 2
    timed(small[place], grad_output)()  # everything that is loaded and computed only once
    steps, grad_output = make(shape, torch.float32, formulations)
    before = status_megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    timed(steps[place], grad_output)()
    print(status_megabytes("VmHWM") - before)


def status_megabytes(name: str) -> float:
    """Read one figure from the memory status of this process."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def timed_section(threads: int, repeats: int, sampled: Sequence[tuple[int, ...]]) -> str:
    """Markdown section of all shapes, timed on a number of threads."""
    how = Timing(threads, repeats)
    return "\n\n".join(
        [
            f"### On {threads} thread" + "s" * (threads > 1),
            "2-d, listed",
            table(LISTED, how),
            "2-d, sampled from the search's ranges",
            table(sampled, how),
            "1-d",
            table(RAW, how),
            f"1-d, in a program that keeps the memory that it frees ({' '.join(f'{k}={v}' for k, v in KEPT.items())})",
            table(RAW, how._replace(kept=True)),
            "2-d, bfloat16",
            table(LISTED, how._replace(dtype="bfloat16")),
        ]
    )


def main() -> None:
    """Measure, and write the sections of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--drawn", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parts = ["two", "one", "formulations", "memory"]
    parser.add_argument(
        "--part",
        nargs="*",
        choices=parts,
        default=parts,
        help="parts to measure: on 2 threads, on 1 thread, ... (default: all)",
    )
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
        "columns at the right are Mellin divided by convolution: below 1 is faster. Each shape runs in its own "
        "process. Shapes in 2-d: (signals, "
        "channels in, channels out, frames, coefficients, kernel frames, kernel coefficients); in 1-d: (signals, "
        "channels, samples, kernel)."
    )
    write_section("mellin_correlation", head)
    shapes = sampled_shapes(arguments.drawn, arguments.seed)
    if "two" in arguments.part:
        write_section("mellin_two_threads", timed_section(2, repeats, shapes))
    if "one" in arguments.part:
        write_section("mellin_one_thread", timed_section(1, repeats, shapes))
    if "formulations" in arguments.part:
        torch.set_num_threads(1)
        how = (
            f"`--part formulations --repeats {repeats}`, all formulations of a shape and the two convolutions in turns "
            "in one process. `pointwise` is for kernels of one coefficient; `dense` is left out for long signals."
        )
        text = f"### Every formulation, on 1 thread\n\n{how}\n\n{formulation_table(repeats)}"
        write_section("mellin_formulations", text)
    if "memory" in arguments.part:
        write_section("mellin_memory", f"### Peak memory of forward and backward\n\n{memory_table()}")


if __name__ == "__main__":
    main()
