"""Panels of figures, and the colours of systems in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["SYSTEM_MARKERS", "new_figure", "system_style"]

# Blue for linear, orange for Mellin, lighter for further features; colour-blind readers can tell them apart.
_COLOURS = {"lcorr": ("#0b5394", "#5b9bd5", "#9fc5e8"), "mcorr": ("#b45309", "#f0a04b", "#f9cb9c")}
SYSTEM_MARKERS = {"lcorr": "o", "mcorr": "s"}


def system_style(system: str, systems: Mapping[str, Any]) -> dict[str, Any]:
    """Colour of a system's lines: its model's, and within that, of the first system, the second, ...

    Args:
        system: name that begins with that of its model, such as `lcorr-fbank`.
        systems: all systems of the figure, in order.
    """
    model = system[:5]
    same = [name for name in systems if name[:5] == model]
    colours = _COLOURS.get(model, ("#444444",))
    return {"color": colours[same.index(system) % len(colours)]}


def new_figure(width: float, height: float, *, columns: int = 1) -> tuple[Any, Any]:
    """A figure and its axes; with several columns, an array of axes.

    Args:
        width, height: size in inches.
        columns: number of panels side by side.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns)
    for axis in [axes] if columns == 1 else axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes
