"""Figure of the course of trainings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnn_mellin.atomic import atomic_file
from cnn_mellin.report.figures.text import drawing, shown_text
from cnn_mellin.training.history import read_history

__all__ = ["plot_learning_curves"]

_PANELS = (
    ("train_loss", "training loss per utterance"),
    ("dev_per_percent", "dev phone error rate, %"),
    ("learning_rate", "learning rate"),
)


@drawing()
def plot_learning_curves(histories: Mapping[str, Path], out: str | Path) -> None:
    """Plot training loss, dev PER and learning rate against epochs.

    Args:
        histories: label -> `history.csv`; labels that differ only in the word after the last space share a colour.
        out: PNG file to write.

    Raises:
        DataError: a history is damaged.
        ImportError: matplotlib is not installed (the extra `report`).
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4), layout="constrained")
    axes = figure.subplots(1, len(_PANELS))
    systems = list(dict.fromkeys(label.rpartition(" ")[0] or label for label in histories))
    for label, path in histories.items():
        records = read_history(path)
        system = label.rpartition(" ")[0] or label
        epochs = [record.epoch for record in records]
        marker = "o" if len(records) == 1 else None
        # matplotlib leaves labels that begin with an underscore out of the legend.
        legend = f" {shown_text(label, 40)}" if label.startswith("_") else shown_text(label, 40)
        style = {"color": f"C{systems.index(system)}", "alpha": 0.8, "label": legend, "marker": marker}
        for axis, (name, _) in zip(axes, _PANELS, strict=True):
            axis.plot(epochs, [getattr(record, name) for record in records], **style)
    for axis, (_, title) in zip(axes, _PANELS, strict=True):
        axis.set(title=title, xlabel="epoch")
        axis.set_ylim(bottom=0)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].legend()
    with atomic_file(out, "wb") as file:
        figure.savefig(file, dpi=100, format="png")
