"""Draw the pictures of docs/theory.md: python docs/pictures/draw.py (needs matplotlib, from the extra report)."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import torch

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from cnn_mellin.ops import mellin_correlate_1d
from cnn_mellin.ops.index_plan import frame_taps
from cnn_mellin.report.figures.text import drawing

FOLDER = Path(__file__).parent


def draw_indices(axes: Axes, frames: int, kernel: int, offset: int, dilation: int, title: str) -> None:
    """Plot one square per output frame (across) and kernel row (upward), with the frame of the signal that is read."""
    for output_frame, taps in enumerate(frame_taps(frames, kernel, 1, offset, dilation, frames)):
        for kernel_frame, input_frame in zip(taps.kernel_frames, taps.input_frames, strict=True):
            colour = plt.get_cmap("viridis")(input_frame / max(frames - 1, 1))
            axes.add_patch(plt.Rectangle((output_frame, kernel_frame), 1, 1, facecolor=colour, edgecolor="white"))
            dark = input_frame < 0.6 * frames
            place = (output_frame + 0.5, kernel_frame + 0.5)
            axes.annotate(str(input_frame), place, ha="center", va="center", color="white" if dark else "black")
    axes.set(xlim=(0, frames), ylim=(0, kernel), aspect="equal", xlabel="output frame t", ylabel="kernel row k")
    axes.set_xticks([t + 0.5 for t in range(frames)], [str(t) for t in range(frames)])
    axes.set_yticks([k + 0.5 for k in range(kernel)], [str(k) for k in range(kernel)])
    axes.tick_params(length=0)
    axes.set_title(title, loc="left")
    axes.set_facecolor("0.93")


def draw_index_pattern() -> None:
    """Plot the indices of four settings."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 6.8), layout="constrained")
    draw_indices(axes[0, 0], 8, 4, 1, 1, "u = 1, d = 1: whole dilations")
    draw_indices(axes[0, 1], 8, 4, 3, 1, "u = 1, d = 3: slow dilations left out")
    draw_indices(axes[1, 0], 8, 3, 1, 2, "u = 2, K = 3: ratios 1/2, 1, 3/2")
    draw_indices(axes[1, 1], 10, 5, 1, 3, "u = 3, K = 5: ratios 1/3, 2/3, 1, 4/3, 5/3")
    figure.suptitle("The frame of the signal that each kernel row meets in each output; grey: none")
    figure.savefig(FOLDER / "index_pattern.png", dpi=110)
    plt.close(figure)


def draw_log_time() -> None:
    """A pattern at three speeds and its Mellin correlation, in time and in log time."""
    frames = torch.arange(1, 4001, dtype=torch.float64)
    signals = {
        factor: torch.exp(
            -0.5 * ((frames / factor).log() - torch.tensor([200.0, 450.0]).log().view(2, 1)) ** 2 / 0.0064
        )
        .mul(torch.tensor([[1.0], [0.6]]))
        .sum(0)
        for factor in (1, 2, 3)
    }
    kernel = signals[1][199:800:25]  # the pattern itself, every 25th frame
    figure, axes = plt.subplots(2, 2, figsize=(11, 6), layout="constrained", sharex="col")
    for factor, signal in signals.items():
        label = {1: "original", 2: "half the speed", 3: "a third of the speed"}[factor]
        mellin = mellin_correlate_1d(signal.view(1, 1, -1), kernel.view(1, 1, -1), kernel_offset=8, output_length=500)
        outputs = mellin.flatten()
        axes[0, 0].plot(frames, signal, label=label)
        axes[0, 1].plot(frames.log2(), signal, label=label)
        times = 8 * torch.arange(1, len(outputs) + 1)  # the first frame that each output compares
        axes[1, 0].plot(times, outputs, label=label)
        axes[1, 1].plot(times.log2(), outputs, label=label)
    axes[0, 0].set(ylabel="signal", title="time")
    axes[0, 1].set(title="log time")
    axes[1, 0].set(ylabel="Mellin correlation", xlabel="frame", xlim=(0, 2500))
    axes[1, 1].set(xlabel="binary logarithm of the frame", xlim=(6, 11.5))
    axes[0, 0].legend()
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("The same pattern at three speeds: stretched in time, shifted in log time")
    figure.savefig(FOLDER / "log_time.png", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    with drawing():
        draw_index_pattern()
        draw_log_time()
