"""A picture of how trainings went."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

__all__ = ["plot_learning_curves"]

_PANELS = (
    ("train_loss", "training loss an utterance"),
    ("dev_per_percent", "dev phone error rate, %"),
    ("learning_rate", "learning rate"),
)


def plot_learning_curves(histories: Mapping[str, Path], out: str | Path) -> None:
    """Draw training loss, dev PER and learning rate against epochs.

    Args:
        histories: label -> `history.csv`; labels that differ in what follows a last space share a colour.
        out: PNG to write.

    Raises:
        ImportError: matplotlib is not installed (the extra `report`).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4), layout="constrained")
    axes = figure.subplots(1, len(_PANELS))
    systems = list(dict.fromkeys(label.rpartition(" ")[0] or label for label in histories))
    for label, path in histories.items():
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        system = label.rpartition(" ")[0] or label
        epochs = [int(row["epoch"]) for row in rows]
        marker = "o" if len(rows) == 1 else None
        style = {"color": f"C{systems.index(system)}", "alpha": 0.8, "label": label, "marker": marker}
        for axis, (name, _) in zip(axes, _PANELS, strict=True):
            axis.plot(epochs, [float(row[name]) for row in rows], **style)
    for axis, (_, title) in zip(axes, _PANELS, strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.set_ylim(bottom=0)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(out, dpi=100)
