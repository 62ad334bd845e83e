"""Pictures of studies: history, importances of hyperparameters, and their sampled values."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cnn_mellin.atomic import atomic_file
from cnn_mellin.report.figures.svg import svg_bytes
from cnn_mellin.report.figures.text import drawing, shown_text
from cnn_mellin.report.report_page import Page, Section
from cnn_mellin.search.best_settings import best_trial, completed_trials, trial_value
from cnn_mellin.search.importance import setting_importances
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.space import Dimension

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

__all__ = ["PICTURES", "draw_histories", "draw_study"]

PICTURES = ("history", "importances", "slices", "parallel_coordinates")

_DOT, _LINE = "#5b9bd5", "#0b5394"
_BEST_FRACTION = 0.25
# Number of hyperparameters that the alternative text of the importances names.
_NUM_NAMED = 3


@drawing()
def draw_study(study_name: str, plan: StudyPlan, trials: Sequence[FrozenTrial], out_dir: str | Path) -> None:
    """Write `history.png`, `importances.png`, `slices.png`, `parallel_coordinates.png` and `index.html` with all four.

    Importances need two completed trials with different results; without them that picture is left out.

    Args:
        study_name: name of the study.
        plan: settings and hyperparameters of the study.
        trials: all trials of the study.
        out_dir: folder of the files; created where it does not exist.

    Raises:
        DatabaseError: no trial is completed.
    """
    best = best_trial(study_name, trials)
    done = completed_trials(trials)
    values = [trial_value(trial) for trial in done]
    lowest = f"{best.value:.2f} % in trial {best.number}"
    pictures = {
        "history": (
            _history(done),
            "Dots: completed trials. Line: the lowest so far.",
            f"Dots of the dev phone error rate of {len(done)} trials. Lowest: {lowest}.",
        )
    }
    section = Section("Importances")
    if len(set(values)) > 1:
        found = setting_importances(study_name, plan, trials)
        pictures["importances"] = (
            _importances(found),
            "Fraction of the results' variance that each hyperparameter explains.",
            f"Bars of the importance of {len(found)} hyperparameters. The longest: "
            + ", ".join(f"{name} {value:.2f}" for name, value in found[:_NUM_NAMED])
            + ".",
        )
        section.table(["hyperparameter", "importance"], [[name, f"{value:.3f}"] for name, value in found])
        order = [name for name, _ in found]
        dimensions = sorted(plan.dimensions, key=lambda dimension: order.index(dimension.name))
    else:
        dimensions = list(plan.dimensions)
    at_best = ", ".join(f"{dimension.name} {_shown(best.params[dimension.name])}" for dimension in dimensions)
    pictures["slices"] = (
        _slices(dimensions, done),
        "Dev PER against each hyperparameter, the most important first.",
        f"One panel of dots per hyperparameter. The best trial, {lowest}, has {at_best}.",
    )
    pictures["parallel_coordinates"] = (
        _parallel(dimensions, done),
        f"One line per completed trial; the best {_BEST_FRACTION:.0%} are strong.",
        f"One line per trial across {len(dimensions)} hyperparameters. The best trial, {lowest}, has {at_best}.",
    )
    figures = Section("Pictures")
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, (figure, caption, alt) in pictures.items():
        content = _as_png(figure)
        with atomic_file(out_dir / f"{name}.png", "wb") as file:
            file.write(content)
        figures.picture(svg_bytes(figure), caption, alt)
    settings = Section("Best settings")
    settings.table(["setting", "value"], [[name, _shown(value)] for name, value in best.params.items()])
    page = Page(
        study_name,
        f"{len(trials)} trials, {len(done)} completed",
        [f"The lowest dev PER is {best.value:.2f} %, of trial {best.number}."],
        [figures, section, settings],
    )
    with atomic_file(out_dir / "index.html") as file:
        file.write(page.html())


def _history(done: Sequence[FrozenTrial]) -> Figure:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    numbers = [trial.number for trial in done]
    values = [trial_value(trial) for trial in done]
    _draw_history(axes, numbers, values)
    return figure


@drawing()
def draw_histories(histories: Mapping[str, Sequence[tuple[int, float]]]) -> bytes:
    """SVG with the history of each study.

    Args:
        histories: name of a study -> number and dev phone error rate of each completed trial; not empty.
    """
    columns = min(len(histories), 2)
    rows = math.ceil(len(histories) / columns)
    figure = Figure(figsize=(4.7 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, history) in zip(axes, histories.items(), strict=False):
        numbers, values = zip(*history, strict=True)
        _draw_history(axis, numbers, values)
        axis.set_title(shown_text(name, 40), fontsize=9)
    for axis in axes[len(histories) :]:
        axis.set_visible(False)
    return svg_bytes(figure)


def _draw_history(axes: Axes, numbers: Sequence[int], values: Sequence[float]) -> None:
    """Plot values against trial numbers as dots, and the lowest so far as a line."""
    axes.plot(numbers, values, ".", color=_DOT)
    axes.step(numbers, np.minimum.accumulate(values), where="post", color=_LINE)
    axes.set(xlabel="trial", ylabel="dev PER, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes)


def _importances(found: Sequence[tuple[str, float]]) -> Figure:
    figure = Figure(figsize=(7, 0.6 + 0.26 * len(found)), layout="constrained")
    axes = figure.subplots()
    names, values = zip(*reversed(found), strict=True)
    bars = axes.barh(names, values, color=_DOT)
    axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=8)
    axes.set(xlabel="importance (fANOVA)", xlim=(0, 1.12 * max(values)))
    axes.tick_params(axis="y", labelsize=8)
    _plain(axes)
    return figure


def _slices(dimensions: Sequence[Dimension], done: Sequence[FrozenTrial]) -> Figure:
    columns = min(4, len(dimensions))
    rows = math.ceil(len(dimensions) / columns)
    figure = Figure(figsize=(2.7 * columns, 2.3 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    values = [trial_value(trial) for trial in done]
    for axes, dimension in zip(all_axes, dimensions, strict=False):
        places = [_place(dimension, trial.params[dimension.name]) for trial in done]
        axes.scatter(places, values, s=12, c=[trial.number for trial in done], cmap="Blues", edgecolors=_LINE, lw=0.3)
        axes.set_xlabel(dimension.name.replace(".", ".\n", 1), fontsize=8)
        axes.tick_params(labelsize=8)
        if dimension.choices:
            axes.set_xticks(range(len(dimension.choices)), [shown_text(str(choice)) for choice in dimension.choices])
            axes.margins(x=0.2)
        else:
            _show_range(axes, dimension)
        _plain(axes)
    for axes in all_axes[::columns]:
        axes.set_ylabel("dev PER, %", fontsize=8)
    for axes in all_axes[len(dimensions) :]:
        axes.set_visible(False)
    return figure


def _show_range(axes: Axes, dimension: Dimension) -> None:
    low, high = dimension.low, dimension.high
    if dimension.log:
        axes.set_xscale("log")
        ticks = np.geomspace(low, high, 3)
        axes.set_xticks(ticks, [f"{round(tick) if dimension.whole else tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    else:
        axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _parallel(dimensions: Sequence[Dimension], done: Sequence[FrozenTrial]) -> Figure:
    figure = Figure(figsize=(max(6.0, 0.8 * len(dimensions) + 2), 4.6), layout="constrained")
    axes = figure.subplots()
    order = sorted(done, key=lambda trial: -trial_value(trial))  # the best are plotted last, above the others
    num_best = max(1, round(_BEST_FRACTION * len(order)))
    for rank, trial in enumerate(order):
        heights = [_height(dimension, trial.params[dimension.name]) for dimension in dimensions]
        best = rank >= len(order) - num_best
        axes.plot(heights, color=_LINE if best else "#c9d4e3", lw=1.4 if best else 0.8, alpha=0.85)
    for x, dimension in enumerate(dimensions):
        axes.axvline(x, color="#9aa3b2", lw=0.7, zorder=0)
        if dimension.choices:
            for choice in dimension.choices:
                axes.annotate(
                    shown_text(str(choice)),
                    (x, _height(dimension, choice)),
                    fontsize=7,
                    xytext=(3, 0),
                    textcoords=_BESIDE,
                )
            continue
        for height, end in ((0.0, dimension.low), (1.0, dimension.high)):
            axes.annotate(f"{end:g}", (x, height), fontsize=7, xytext=(3, 0), textcoords=_BESIDE)
    axes.set_xticks(range(len(dimensions)), [d.name for d in dimensions], rotation=40, ha="right", fontsize=8)
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(dimensions) - 0.3)
    axes.spines[:].set_visible(False)
    return figure


_BESIDE = "offset points"


def _place(dimension: Dimension, value: Any) -> float:
    return float(dimension.choices.index(value) if dimension.choices else value)


def _height(dimension: Dimension, value: Any) -> float:
    """Position of a value in its range, from 0 to 1."""
    if dimension.choices:
        return dimension.choices.index(value) / max(1, len(dimension.choices) - 1)
    low, high = (math.log(end) if dimension.log else end for end in (dimension.low, dimension.high))
    return ((math.log(value) if dimension.log else value) - low) / (high - low or 1)


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _as_png(figure: Figure) -> bytes:
    out = io.BytesIO()
    with mpl.rc_context({"savefig.dpi": 150}):
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
