"""A picture of how trainings went."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

__all__ = ["plot_learning_curves"]


def plot_learning_curves(histories: Mapping[str, Path], out: str | Path) -> None:
    """Draw training loss and dev PER against epochs.

    Args:
        histories: label -> `history.csv`; labels that differ in what follows a last space share a colour.
        out: PNG to write.

    Raises:
        ImportError: matplotlib is not installed (the extra `report`).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    systems = list(dict.fromkeys(label.rpartition(" ")[0] or label for label in histories))
    for label, path in histories.items():
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        system = label.rpartition(" ")[0] or label
        epochs = [int(row["epoch"]) for row in rows]
        style = {"color": f"C{systems.index(system)}", "alpha": 0.8, "label": label}
        axes[0].plot(epochs, [float(row["train_loss"]) for row in rows], **style)
        axes[1].plot(epochs, [float(row["dev_per_percent"]) for row in rows], **style)
    for axis, title in zip(axes, ("training loss an utterance", "dev phone error rate, %"), strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[1].legend()
    figure.savefig(out, dpi=100)
