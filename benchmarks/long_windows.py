"""Time of layers over long windows, whose outputs hear log time, against ordinary convolutions of the same windows.

Two layers: `MellinLinearConv2d` with one input channel over windows that are already cut, as the acoustic model uses
it, against torch's convolution with the same kernel, which has three to five times as many outputs; and
`LogTimeFrontEnd`, which cuts windows itself, against torch's convolution of the same windows, and against its own
control in time. Forward and backward with gradients of signal, kernel and bias are timed in turns in one process;
figures are medians.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mellin_correlation import alternate, timed

from cnn_mellin.formats.text_table import format_table
from cnn_mellin.layers import LogTimeFrontEnd, MellinLinearConv2d
from report import write_section

# frames of a window, kernel rows, kernel offset
SHAPES = [(24, 8, 4), (32, 12, 4), (48, 12, 4), (48, 24, 8), (64, 24, 8)]
COEFFICIENTS, WIDTH, CHANNELS, WINDOWS, STRIDE = 81, 9, 16, 300, 2


def one_channel(window: int, kernel: int, offset: int) -> list[Callable[[], tuple[float, float]]]:
    """Steps of the convolution and of the Mellin layer, over windows with one channel."""
    signal = torch.randn(WINDOWS, 1, window, COEFFICIENTS, requires_grad=True)
    left = WIDTH // 2
    linear = torch.nn.Conv2d(1, CHANNELS, (kernel, WIDTH), padding=(0, left))
    sizes: dict[str, Any] = {
        "kernel_offset": offset,
        "output_length": window // offset,
        "padding": (left, WIDTH - 1 - left),
    }
    mellin = MellinLinearConv2d(1, CHANNELS, (kernel, WIDTH), **sizes)
    return [timed(partial(layer, signal), torch.ones_like(layer(signal))) for layer in (linear, mellin)]


def front_ends(window: int, kernel: int, offset: int) -> list[Callable[[], tuple[float, float]]]:
    """Steps of a convolution of unfolded windows, of the front end in time, and of that in log time."""
    signal = torch.randn(8, COEFFICIENTS, WINDOWS * STRIDE // 2, requires_grad=True)
    linear = torch.nn.Conv1d(COEFFICIENTS, CHANNELS, kernel)

    def windowed() -> torch.Tensor:
        padded = torch.nn.functional.pad(signal, (0, window - 1)).unfold(2, window, STRIDE)  # (N, F, A, window)
        outputs: torch.Tensor = linear(padded.permute(0, 2, 1, 3).flatten(0, 1)).amax(2)
        return outputs.view(len(signal), -1, CHANNELS).transpose(1, 2)

    sizes: dict[str, Any] = {"window_size": window, "window_stride": STRIDE, "kernel_offset": offset}
    layers = [LogTimeFrontEnd(COEFFICIENTS, CHANNELS, kernel, log_time=kind, **sizes) for kind in (False, True)]
    steps: list[Callable[[], torch.Tensor]] = [windowed, *(partial(layer, signal) for layer in layers)]
    return [timed(step, torch.ones_like(step())) for step in steps]


def table(repeats: int) -> str:
    """Milliseconds of the convolutions, and ratios to them."""
    rows = []
    for shape in SHAPES:
        (linear, mellin), (windows, in_time, in_log_time) = (
            [sum(pair) for pair in alternate(steps, repeats)] for steps in (one_channel(*shape), front_ends(*shape))
        )
        ratios = (mellin / linear, in_log_time / windows, in_log_time / in_time)
        rows.append([str(shape), f"{linear:.1f}", f"{mellin:.1f}", *(f"{ratio:.2f}" for ratio in ratios)])
    head = ["window, kernel, offset", "Conv2d ms", "Mellin ms", "Mellin / Conv2d"]
    return format_table([*head, "front end / windows", "front end / its control"], rows, "markdown")


def main() -> None:
    """Measure, and write the section of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    write_section(
        "long_windows",
        "## Long windows\n\n"
        f"`python benchmarks/{Path(__file__).name} --repeats {arguments.repeats} --threads {arguments.threads}`; torch "
        f"{torch.__version__}, {platform.machine()}. Forward and backward. Middle: `MellinLinearConv2d` with one input "
        f"channel, {WINDOWS} windows of {COEFFICIENTS} coefficients, {CHANNELS} output channels, kernels {WIDTH} wide; "
        "the convolution has three to five times as many outputs along time. "
        f"Right: `LogTimeFrontEnd` over {COEFFICIENTS} channels, an anchor every {STRIDE} frames, maximum over the "
        "window; against a convolution of each window, and against `log_time=False`.\n\n"
        f"{table(arguments.repeats)}",
    )


if __name__ == "__main__":
    main()
