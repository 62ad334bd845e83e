"""Figure of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnn_mellin.atomic import atomic_file
from cnn_mellin.report.figures.svg import svg_bytes
from cnn_mellin.report.figures.text import drawing, shown_text

__all__ = ["draw_confusions", "plot_confusions"]

_INCHES_PER_PHONE = 0.22
# Smallest share of a row that is written into its cell; smaller shares are only coloured.
_WORTH_WRITING = 0.05


@drawing()
def draw_confusions(phones: Sequence[str | None], counts: Sequence[Sequence[int]]) -> bytes:
    """SVG of a confusion matrix with one row per reference phone; each cell is a percentage of its row.

    The last row holds insertions, as percentages of all insertions; the last column holds deletions. The diagonal holds
    the percentages of phones that were recognised correctly.

    Args:
        phones: P names, the last of which is None, as of `PhoneErrorRate.confusion_matrix`.
        counts: (P, P) counts, reference by recognised phone; the last row holds insertions, the last column deletions.
    """
    return svg_bytes(_confusions(phones, counts, ""))


@drawing()
def plot_confusions(
    phones: Sequence[str | None], counts: Sequence[Sequence[int]], out: str | Path, *, title: str = ""
) -> None:
    """Write the picture of `draw_confusions` as a PNG file.

    Args:
        phones, counts: as for `draw_confusions`.
        out: PNG file to write.
        title: title of the figure.

    Raises:
        ImportError: matplotlib is not installed (the extra `report`).
    """
    figure = _confusions(phones, counts, title)
    with atomic_file(out, "wb") as file:
        figure.savefig(file, dpi=130, format="png")


def _confusions(phones: Sequence[str | None], counts: Sequence[Sequence[int]], title: str) -> Any:
    from matplotlib.figure import Figure

    table = np.array(counts, dtype=np.float64)
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, totals, out=np.zeros_like(table), where=totals > 0)
    names = [shown_text(phone or "") for phone in phones]
    size = max(_INCHES_PER_PHONE * len(names), 4.0)
    figure = Figure(figsize=(size + 2.2, size + 1.2), layout="constrained")
    axes = figure.subplots()
    # the square root shows the rare confusions beside the frequent right ones
    shown = axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    numbers = [f"{name} ({int(total)})" for name, total in zip([*names[:-1], "inserted"], totals[:, 0], strict=True)]
    axes.set_yticks(range(len(names)), numbers, fontsize=7)
    axes.set_xticks(range(len(names)), [*names[:-1], "deleted"], fontsize=7, rotation=90)
    axes.xaxis.tick_top()
    axes.set(ylabel="reference (how often)", title=shown_text(title, 100))
    axes.set_xlabel("recognised as")
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    for i, j in np.argwhere(shares >= _WORTH_WRITING):
        colour = "white" if shares[i, j] > 0.4 else "black"
        axes.text(j, i, f"{100 * shares[i, j]:.0f}", ha="center", va="center", fontsize=5.5, color=colour)
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.02, label="percent of the reference phone")
    bar.set_ticks([0, 0.1, 0.3, 0.5, 0.7, 1], labels=["0", "1", "9", "25", "49", "100"])
    return figure
