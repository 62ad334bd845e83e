"""Figure of one utterance: its waveform, its features, and the boundaries of its phones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnn_mellin.atomic import atomic_file
from cnn_mellin.data.partition import Partition
from cnn_mellin.errors import DataError
from cnn_mellin.report.figures.svg import svg_bytes
from cnn_mellin.report.figures.text import drawing, shown_text
from cnn_mellin.utterance_names import name_utterances

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_utterance", "utterance_svg"]

_FULL_SCALE = 32768
# Wide enough for the names of phones.
_INCHES_PER_SECOND = 6.0


@drawing()
def draw_utterance(
    partition: Partition,
    utterance_id: str,
    out: str | Path,
    *,
    symbols: Sequence[str] | None = None,
    samples: NDArray[np.float32] | None = None,
    sample_rate_hz: int = 16000,
) -> None:
    """Plot an utterance.

    Args:
        partition: partition that holds the utterance.
        utterance_id: id of the utterance.
        out: PNG file to write.
        symbols: symbols of the classes; None shows class indices.
        samples: (T,) samples of the utterance at 16-bit scale; None leaves the waveform out.
        sample_rate_hz: sample rate of `samples`.

    Raises:
        DataError: the partition does not have the utterance, or a class has no symbol.
        ImportError: matplotlib is not installed (the extra `report`).
    """
    figure = _figure(partition, utterance_id, symbols, samples, sample_rate_hz)
    with atomic_file(out, "wb") as file:
        figure.savefig(file, dpi=100, format="png")


@drawing()
def utterance_svg(partition: Partition, utterance_id: str, symbols: Sequence[str]) -> bytes:
    """SVG of an utterance's features and phones, as `draw_utterance` plots them.

    Args:
        partition: partition that holds the utterance.
        utterance_id: id of the utterance.
        symbols: symbols of the classes.

    Raises:
        DataError: the partition does not have the utterance, or a class has no symbol.
        ImportError: matplotlib is not installed (the extra `report`).
    """
    return svg_bytes(_figure(partition, utterance_id, symbols, None, 16000))


def _figure(
    partition: Partition,
    utterance_id: str,
    symbols: Sequence[str] | None,
    samples: NDArray[np.float32] | None,
    sample_rate_hz: int,
) -> Figure:
    from matplotlib.figure import Figure

    if utterance_id not in partition.utterance_ids:
        known = name_utterances(partition.utterance_ids)
        raise DataError(f"{partition.path}: has no utterance {utterance_id!r}; it has {known}")
    i = partition.utterance_ids.index(utterance_id)
    features, reference = partition.features_of(i), partition.reference_of(i)
    if symbols is not None:
        partition.check_classes(len(symbols))
    names = [str(c) if symbols is None else shown_text(symbols[c]) for c in reference[:, 0].tolist()]
    shift_s = (partition.description.frame_shift_ms or 10.0) / 1000
    length_s = len(features) * shift_s
    timed = bool(len(reference)) and bool((reference[:, 1] >= 0).all())
    if samples is None and features.shape[1] == 1:
        samples, sample_rate_hz = features[:, 0], round(1 / shift_s)
    panels = (samples is not None) + (features.shape[1] > 1)
    figure = Figure(figsize=(max(8, min(40, _INCHES_PER_SECOND * length_s)), 1 + 2.5 * panels), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(panels, 1, sharex=True)))
    if samples is not None:
        _draw_waveform(axes[0], samples, sample_rate_hz)
    if features.shape[1] > 1:
        _draw_features(axes[-1], features, length_s, figure)
    if timed:
        for axis in axes:
            for first in reference[:, 1].tolist():
                axis.axvline(first * shift_s, color="black", linewidth=0.6, alpha=0.6)
        above = axes[0].secondary_xaxis("top")
        # In two rows, so that the names of short phones do not overlap.
        staggered = [f"{name}\n" if place % 2 else name for place, name in enumerate(names)]
        above.set_xticks([(first + end) / 2 * shift_s for first, end in reference[:, 1:].tolist()], staggered)
        above.tick_params(length=0)
        heading = utterance_id
    else:
        heading = f"{utterance_id}: {' '.join(names)}"
    about = partition.description.feature_type or f"{features.shape[1]} coefficients"
    figure.suptitle(shown_text(f"{heading} ({about})", 400))
    axes[-1].set_xlabel("time, s" if partition.description.frame_shift_ms else "time, s (if frames are 10 ms apart)")
    axes[-1].set_xlim(0, length_s)
    return figure


def _draw_waveform(axis: Any, samples: NDArray[np.float32], sample_rate_hz: int) -> None:
    axis.plot(np.arange(len(samples)) / sample_rate_hz, samples / _FULL_SCALE, linewidth=0.5, color="C0")
    largest = max(float(np.abs(samples).max(initial=0)) / _FULL_SCALE, 1e-4)
    axis.set(ylabel="of full scale", ylim=(-1.05 * largest, 1.05 * largest))


def _draw_features(axis: Any, features: NDArray[np.float32], length_s: float, figure: Any) -> None:
    """Plot features in decibels relative to the largest, or unchanged where some are negative."""
    largest = float(features.max())
    if features.min() >= 0 and largest > 0:
        shown, unit = 20 * np.log10(np.maximum(features, 1e-4 * largest) / largest), "dB below the largest"
    else:
        shown, unit = features, "value"
    extent = (0.0, length_s, -0.5, features.shape[1] - 0.5)
    image = axis.imshow(shown.T, origin="lower", aspect="auto", extent=extent, interpolation="nearest", cmap="magma")
    axis.set_ylabel("coefficient")
    figure.colorbar(image, ax=axis, label=unit, pad=0.01)
