"""Training on an accelerator: updates, what they launch and wait for, and the Mellin layers by themselves.

    python benchmarks/accelerator.py [--device cuda] [--quick] [--budget-s 170] [--compiled]

Linear and Mellin models with the same settings are trained on batches of random features: updates per second in
float32, TF32 and autocast, against updates on one CPU thread in the same run; the kernels that an update launches, the
copies that it makes and the times that the CPU waits in it (torch's sync debug mode); and the share of an epoch with
data, augmentation and transfers that is not spent in updates. Then each formulation of single Mellin layers is timed
against torch's convolution of the same shape. Everything is made on the spot; no corpus is needed. Without an
accelerator, the same models are timed on the CPU. Rows that would begin after the budget are left out, and counted.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from cnn_mellin.config import Settings
from cnn_mellin.config.files import read_settings
from cnn_mellin.data.batch import Batch
from cnn_mellin.data.prefetch import prefetch
from cnn_mellin.ops.mellin_correlation import Formulation, correlate_by_formulation
from cnn_mellin.random_stream import random_stream
from cnn_mellin.training.augmentation import augment, draw_augmentation
from cnn_mellin.training.epoch import Stepper, train_epoch
from cnn_mellin.training.model_folder import new_model
from cnn_mellin.training.optimizer import make_optimizer

CONF = Path(__file__).parents[1] / "conf" / "model"
NUM_COEFFICIENTS, NUM_SYMBOLS, PHONES_PER_S = 81, 48, 12
LONG_WINDOWS: dict[str, Any] = {
    "convolutional_layers": 1,
    "convolutional_initial_channels": 16,
    "convolutional_kernel_time": 12,
    "convolutional_kernel_freq": 9,
    "convolutional_kernel_offset": 4,
    "convolutional_time_padding": False,
    "window_pooling": "max",
    "window_stride": 3,
    "utterance_normalization": "variance",
    "use_lift": False,
    "recurrent_layers": 2,
    "recurrent_size": 256,
}


@dataclass(frozen=True)
class Case:
    """Models to train: a name, settings, and a batch size; `is_large` for batches that only an accelerator gets."""

    name: str
    settings: Settings
    is_large: bool = False


def cases(quick: bool) -> list[Case]:
    """The models, each of which is trained with linear and with Mellin convolutions."""
    long = [
        Case(f"windows of {size} frames", Settings().updated({"model": {**LONG_WINDOWS, "window_size": size}}))
        for size in (24, 64)
    ]
    demo = Case("demo", read_settings(CONF / "demo-mcorr.ini"))
    if quick:
        small = {"model": {"convolutional_initial_channels": 4, "recurrent_size": 32}, "data": {"batch_size": 2}}
        return [demo, replace(long[0], settings=long[0].settings.updated(small))]
    published = Case("published", read_settings(CONF / "published-linear-as-mcorr-fbank-81-10ms.ini"))
    own = [demo, Case("default", Settings()), published, *long]
    large = [
        Case(case.name, replace(case.settings, data=replace(case.settings.data, batch_size=64)), True)
        for case in (own[1], published, long[0])
    ]
    return [*own, *large]


def random_batch(settings: Settings, number: int) -> Batch:
    """Batch of utterances of 2 to 4 s with random features, augmented as in training."""
    stream = random_stream(1, "benchmark", number)
    size = settings.data.batch_size
    lengths = torch.from_numpy(stream.integers(200, 401, size))
    features = torch.from_numpy(stream.random((size, int(lengths.max()), NUM_COEFFICIENTS), dtype=np.float32))
    features.masked_fill_((torch.arange(features.size(1)) >= lengths.unsqueeze(1)).unsqueeze(2), 0)
    draws = [draw_augmentation(settings.training, int(length), NUM_COEFFICIENTS, stream) for length in lengths]
    reference_lengths = lengths * PHONES_PER_S // 100
    references = torch.from_numpy(stream.integers(0, NUM_SYMBOLS, int(reference_lengths.sum())))
    names = [f"{number}-{i}" for i in range(size)]
    return Batch(names, *augment(features, lengths, draws), references, reference_lengths)


def new_stepper(settings: Settings, mellin: bool, device: str, autocast: bool, compiled: bool = False) -> Stepper:
    """A model with its optimizer."""
    changes = {"model": {"convolutional_mellin": mellin, "seed": 1}, "training": {"autocast": autocast}}
    settings = settings.updated(changes)
    model = new_model(settings, NUM_COEFFICIENTS, NUM_SYMBOLS, None).to(device).train()
    if compiled:
        model.compile_convolutions()
    return Stepper(model, make_optimizer(model, settings), settings.training)


def wait_for(device: str) -> None:
    """Wait until a device has done all its work."""
    if device != "cpu":
        torch.get_device_module(device).synchronize()


def seconds_per_call(call: Callable[[], object], device: str, seconds: float, warm_up: int) -> float:
    """Mean seconds of a call, over as many as take about so many seconds; of the first if it takes much longer."""
    for _ in range(warm_up):
        began = time.perf_counter()
        call()
        if device == "cpu" and time.perf_counter() - began > 2 * seconds:
            return time.perf_counter() - began
    wait_for(device)
    began, calls = time.perf_counter(), 0
    while calls < 1 or time.perf_counter() - began < seconds:
        call()
        calls += 1
        if calls % 10 == 0:
            wait_for(device)
    wait_for(device)
    return (time.perf_counter() - began) / calls


def update_seconds(stepper: Stepper, batches: Sequence[Batch], device: str, seconds: float) -> float:
    """Mean seconds of an update."""
    several = itertools.cycle(batches)
    warm_up = len(batches) if device != "cpu" else 1
    return seconds_per_call(lambda: stepper(next(several)), device, seconds, warm_up)


def outside_share(stepper: Stepper, settings: Settings, num_batches: int, device: str) -> float:
    """Share of an epoch with data prepared by a thread that the same updates on data at hand do not take."""

    def epoch(batches: Iterator[Batch]) -> float:
        wait_for(device)
        began = time.perf_counter()
        train_epoch(stepper, batches)
        wait_for(device)
        return time.perf_counter() - began

    make = partial(random_batch, settings)
    ready = [make(number) for number in range(num_batches)]
    shares = []
    for _ in range(1 if num_batches < 10 else 3):
        updates = epoch(iter(ready))
        whole = epoch(prefetch(make, range(num_batches)))
        shares.append(1 - updates / whole)
    return statistics.median(shares)


def launches(stepper: Stepper, batch: Batch, device: str) -> list[str]:
    """Kernels, copies to the device and from it, and waits of one update; dashes without CUDA."""
    if device != "cuda":
        return 4 * ["-"]
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        stepper(batch)
        wait_for(device)
    on_device = [event.name for event in profiler.events() or () if event.device_type == torch.autograd.DeviceType.CUDA]
    copies = [name for name in on_device if name.startswith(("Memcpy", "Memset"))]
    to_device, to_host = (sum(kind in name for name in copies) for kind in ("HtoD", "DtoH"))
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            stepper(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = sum("synchronizing" in str(warning.message) for warning in caught)
    return [str(number) for number in (len(on_device) - len(copies), to_device, to_host, waits)]


def allow_tf32(allowed: bool) -> None:
    """Compute float32 products in TF32, or exactly."""
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed


def training_row(case: Case, mellin: bool, arguments: argparse.Namespace) -> list[str]:
    """Measurements of one model."""
    device, size = arguments.device, case.settings.data.batch_size
    batches = [random_batch(case.settings, number) for number in range(3 if arguments.quick else 6)]
    cpu = "-"
    if not case.is_large:
        stepper = new_stepper(case.settings, mellin, "cpu", autocast=False)
        cpu = f"{size / update_seconds(stepper, batches[:2], 'cpu', arguments.seconds):.1f}"
    rates, counts, outside = [], 4 * ["-"], "-"
    for tf32, autocast in ((False, False), (True, False), (True, True)):
        allow_tf32(tf32)
        stepper = new_stepper(case.settings, mellin, device, autocast, arguments.compiled)
        rates.append(size / update_seconds(stepper, batches, device, arguments.seconds))
        if not tf32:
            counts = launches(stepper, batches[0], device)
            if not case.is_large:
                share = outside_share(stepper, case.settings, 3 if arguments.quick else 20, device)
                outside = f"{100 * share:.0f} %"
    allow_tf32(False)
    times = f"{max(rates) / float(cpu):.0f}" if cpu != "-" else "-"
    kind = "Mellin" if mellin else "linear"
    return [f"{case.name}, {kind}", str(size), cpu, *(f"{rate:.0f}" for rate in rates), times, *counts, outside]


# windows, channels in and out, frames, coefficients, kernel frames, kernel coefficients, kernel offset
LAYERS = [
    (750, 27, 27, 4, 81, 6, 10, 1),
    (1000, 64, 64, 5, 81, 3, 3, 1),
    (500, 32, 32, 10, 81, 5, 5, 1),
    (500, 32, 32, 10, 81, 10, 5, 1),
    (800, 1, 16, 24, 81, 12, 9, 4),
    (800, 1, 16, 64, 81, 12, 9, 4),
]
FORMULATIONS: list[Formulation] = ["joint_gather", "dense", "per_frame", "gather"]


def layer_row(shape: tuple[int, ...], arguments: argparse.Namespace) -> list[str]:
    """Milliseconds, forward and backward, of torch's convolution and of each formulation, in float32 and in TF32."""
    device = arguments.device
    windows, channels, outputs, frames, coefficients, rows, width, offset = shape
    windows //= 10 if arguments.quick else 1
    signal = torch.randn(windows, channels, frames, coefficients, device=device, requires_grad=True)
    kernel = torch.randn(outputs, channels, rows, width, device=device, requires_grad=True)
    bias = torch.zeros(outputs, device=device, requires_grad=True)

    def linear() -> torch.Tensor:
        return torch.nn.functional.conv2d(signal, kernel, bias, padding=(rows // 2, width // 2))

    def mellin(formulation: Formulation) -> torch.Tensor:
        length = frames // offset
        return correlate_by_formulation(
            signal,
            kernel,
            bias,
            kernel_offset=offset,
            output_length=length,
            padding=width // 2,
            formulation=formulation,
        )

    texts = []
    layers: list[Callable[[], torch.Tensor]] = [linear, *(partial(mellin, name) for name in FORMULATIONS)]
    for layer in layers:
        grad_output = torch.ones_like(layer())
        milliseconds = []
        for tf32 in (False, True):
            allow_tf32(tf32)

            def step(layer: Callable[[], torch.Tensor] = layer, grad_output: torch.Tensor = grad_output) -> None:
                torch.autograd.grad(layer(), (signal, kernel, bias), grad_output)

            milliseconds.append(1000 * seconds_per_call(step, device, arguments.seconds / 8, 3))
        texts.append(" / ".join(f"{value:.2f}" for value in milliseconds))
    allow_tf32(False)
    return [str(shape), *texts]


def print_table(head: Sequence[str], rows: Sequence[Callable[[], list[str]]], deadline: float) -> None:
    """Print a Markdown table row by row, until the deadline."""
    print(f"| {' | '.join(head)} |\n|---|{'--:|' * (len(head) - 1)}", flush=True)
    for place, row in enumerate(rows):
        if time.perf_counter() > deadline:
            print(f"\n{len(rows) - place} rows left out: the time was up")
            break
        print(f"| {' | '.join(row())} |", flush=True)
    print()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="small models and few updates")
    parser.add_argument("--seconds", type=float, help="time of one measurement (default: 0.7; quick: 0.1)")
    parser.add_argument("--budget-s", type=float, default=170, help="no row begins after so many seconds")
    parser.add_argument("--compiled", action="store_true", help="compile the convolutions, which takes minutes")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (0.1 if arguments.quick else 0.7)
    torch.set_num_threads(1)
    began = time.perf_counter()
    card = torch.cuda.get_device_name() if arguments.device == "cuda" else platform.processor() or platform.machine()
    print(f"{card}; torch {torch.__version__}, Python {platform.python_version()}; one CPU thread\n")
    print("Updates on utterances of 2 to 4 s; kernels, copies and waits are those of one update in float32.\n")
    models = [
        partial(training_row, case, mellin, arguments)
        for case in cases(arguments.quick)
        if not (case.is_large and arguments.device == "cpu")
        for mellin in (False, True)
    ]
    speeds = ["CPU, utterances/s", "float32", "TF32", "autocast", "best / CPU"]
    head = ["model", "batch", *speeds, "kernels", "copies to", "copies from", "waits", "outside updates"]
    print_table(head, models, began + 0.85 * arguments.budget_s)
    print("Layers, milliseconds forward and backward, float32 / TF32: (windows, channels in, channels out, frames,")
    print("coefficients, kernel frames, kernel coefficients, kernel offset)\n")
    layers = [partial(layer_row, shape, arguments) for shape in LAYERS]
    print_table(["shape", "convolution", *FORMULATIONS], layers, began + arguments.budget_s)
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
