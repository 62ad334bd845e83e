"""Figure of a transcription: waveform, features, posteriors, and the phones with their times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_mellin.atomic import atomic_file
from cnn_mellin.report.figures.text import drawing, shown_text

if TYPE_CHECKING:
    from cnn_mellin.decoding.transcriber import Transcription

__all__ = ["plot_transcription"]

_INCHES_PER_SECOND = 3.5
_LEAST_INCHES, _MOST_INCHES = 8.0, 60.0
_FULL_SCALE = 32768.0


@drawing()
def plot_transcription(
    transcription: Transcription, symbols: Sequence[str], out: str | Path, *, title: str = ""
) -> None:
    """Plot a transcription against time in seconds.

    Features that are magnitudes are shown in decibels; raw audio has no panel of features. Posteriors have one row per
    class that was recognised or whose posterior reaches 0.1.

    Args:
        transcription: transcription of a recording.
        symbols: symbols of the model's classes, without the blank.
        out: PNG file to write.
        title: title of the figure.

    Raises:
        ImportError: matplotlib is not installed (the extra `report`).
    """
    from matplotlib.figure import Figure

    duration_s = transcription.duration_s
    width = min(max(_INCHES_PER_SECOND * duration_s, _LEAST_INCHES), _MOST_INCHES)
    posteriors, names = _shown_posteriors(transcription, symbols)
    banks = transcription.features.shape[1] > 1
    heights = [1.2, *([1.6] if banks else []), max(0.16 * len(names), 1.0)]
    figure = Figure(figsize=(width, sum(heights) + 1.4), layout="constrained")
    axes = list(figure.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights}))
    figure.suptitle(shown_text(title, 100))
    samples = transcription.samples.cpu().numpy() / _FULL_SCALE
    axes[0].plot(np.linspace(0, duration_s, len(samples), endpoint=False), samples, linewidth=0.4, color="C0")
    axes[0].set(ylabel="waveform", xlim=(0, duration_s))
    _write_phones(axes[0], transcription)
    if banks:
        features = _in_decibels(transcription.features.cpu().numpy())
        axes[1].imshow(
            features.T, aspect="auto", origin="lower", extent=(0, duration_s, 0, features.shape[1]), cmap="magma"
        )
        axes[1].set_ylabel("features")
    end_s = len(posteriors) * transcription.output_shift_s
    extent = (0, end_s, len(names) - 0.5, -0.5)
    shown = axes[-1].imshow(posteriors.T, aspect="auto", extent=extent, cmap="Blues", vmin=0, vmax=1)
    axes[-1].set(ylabel="posteriors", xlabel="seconds", xlim=(0, duration_s))
    axes[-1].set_yticks(range(len(names)), list(map(shown_text, names)), fontsize=7)
    figure.colorbar(shown, ax=axes[-1], pad=0.005, fraction=0.02)
    for axis in axes:
        for _, start, _ in transcription.phones:
            axis.axvline(start, color="C3", linewidth=0.5, alpha=0.6)
    with atomic_file(out, "wb") as file:
        figure.savefig(file, dpi=100, format="png")


def _shown_posteriors(transcription: Transcription, symbols: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Posteriors (T', rows) of the classes to show, and their names, the blank last."""
    posteriors = transcription.log_probs.exp().cpu().numpy()
    names = [*symbols, "blank"]
    recognised = {symbol for symbol, _, _ in transcription.phones} | {"blank"}
    chosen = [i for i, name in enumerate(names) if name in recognised or posteriors[:, i].max() >= 0.1]
    return posteriors[:, chosen], [names[i] for i in chosen]


def _in_decibels(features: np.ndarray) -> np.ndarray:
    """Magnitudes in decibels relative to the largest, from -60 dB; features with negative values are unchanged."""
    if features.min() < 0 or not features.max():
        return features
    decibels: np.ndarray = 20 * np.log10(np.maximum(features / features.max(), 1e-3))
    return decibels


def _write_phones(axis: Any, transcription: Transcription) -> None:
    """Write symbols above the waveform, each at its start; neighbours alternate in height."""
    for i, (symbol, start, _) in enumerate(transcription.phones):
        axis.text(start, 1.03 + 0.14 * (i % 2), shown_text(symbol), transform=axis.get_xaxis_transform(), fontsize=8)
