"""Figure of the course of trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cnn_mellin.atomic import atomic_file
from cnn_mellin.report.figures.panels import new_figure, system_style
from cnn_mellin.report.figures.svg import svg_bytes
from cnn_mellin.report.figures.text import drawing, shown_text
from cnn_mellin.training.history import EpochRecord

__all__ = ["draw_learning_curves", "plot_learning_curves"]

_PANELS = (
    ("train_loss", "training loss"),
    ("dev_per_percent", "dev phone error rate, %"),
    ("learning_rate", "learning rate"),
)


@drawing()
def draw_learning_curves(histories: Mapping[str, Sequence[Sequence[EpochRecord]]]) -> bytes:
    """SVG of training loss, dev phone error rate and learning rate against epochs, with one line per seed.

    Args:
        histories: system -> seed -> records of its epochs.
    """
    return svg_bytes(_learning_curves(histories))


@drawing()
def plot_learning_curves(histories: Mapping[str, Sequence[Sequence[EpochRecord]]], out: str | Path) -> None:
    """Write the picture of `draw_learning_curves` as a PNG file.

    Args:
        histories: system -> seed -> records of its epochs.
        out: PNG file to write.

    Raises:
        ImportError: matplotlib is not installed (the extra `report`).
    """
    figure = _learning_curves(histories)
    with atomic_file(out, "wb") as file:
        figure.savefig(file, dpi=100, format="png")


def _learning_curves(histories: Mapping[str, Sequence[Sequence[EpochRecord]]]) -> Any:
    figure, axes = new_figure(14, 3.8, columns=len(_PANELS))
    for system, seeds in histories.items():
        for number, records in enumerate(seeds):
            epochs = [record.epoch for record in records]
            # matplotlib leaves labels that begin with an underscore out of the legend.
            label = f" {shown_text(system, 40)}" if number == 0 else None
            style = {**system_style(system, histories), "marker": "o" if len(records) == 1 else None}
            for axis, (name, _) in zip(axes, _PANELS, strict=True):
                axis.plot(epochs, [getattr(record, name) for record in records], label=label, alpha=0.8, **style)
    for axis, (_, title) in zip(axes, _PANELS, strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.set_ylim(bottom=0)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(frameon=False)
    return figure
