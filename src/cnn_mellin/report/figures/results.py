"""Figures of a recipe's results: speaking rates, phones and speakers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cnn_mellin.report.figures.panels import SYSTEM_MARKERS, new_figure, system_style
from cnn_mellin.report.figures.svg import svg_bytes
from cnn_mellin.report.figures.text import drawing, shown_text

__all__ = ["draw_groups", "draw_rates", "hardest_first"]


@drawing()
def draw_rates(
    rates: Mapping[str, Mapping[float, Sequence[float]]],
    bands: Mapping[str, Mapping[float, tuple[float, float]]] | None = None,
    differences: Mapping[str, Mapping[float, tuple[float, float, float]]] | None = None,
) -> bytes:
    """SVG of the phone error rate against the speaking rate, with one line per system and one dot per seed.

    With differences, a second panel shows them.

    Args:
        rates: system -> speaking rate -> phone error rates in percent, one per seed.
        bands: system -> speaking rate -> interval of the phone error rate in percent, shown as a band.
        differences: system -> speaking rate -> difference of its phone error rate from another system's in points, and
            the ends of its interval.
    """
    figure, panels = new_figure(12.5 if differences else 7.5, 4.2, columns=2 if differences else 1)
    axes = panels[0] if differences else panels
    for system, of_system in rates.items():
        places = sorted(of_system)
        means = [sum(of_system[rate]) / len(of_system[rate]) for rate in places]
        style = system_style(system, rates)
        axes.plot(
            places,
            means,
            label=shown_text(system, 40),
            linewidth=2,
            marker=SYSTEM_MARKERS.get(system[:5], "o"),
            **style,
        )
        band = (bands or {}).get(system, {})
        if band:
            low, high = zip(*(band[rate] for rate in sorted(band)), strict=True)
            axes.fill_between(sorted(band), low, high, alpha=0.15, linewidth=0, **style)
        for rate in places:
            axes.plot([rate] * len(of_system[rate]), of_system[rate], ".", alpha=0.35, markersize=5, **style)
    axes.set(ylabel="phone error rate, %")
    axes.legend(frameon=False)
    for system, of_pair in (differences or {}).items():
        middle, low, high = zip(*(of_pair[rate] for rate in sorted(of_pair)), strict=True)
        style = system_style(system, rates)
        panels[1].plot(sorted(of_pair), middle, label=shown_text(system, 40), marker=".", **style)
        panels[1].fill_between(sorted(of_pair), low, high, alpha=0.15, linewidth=0, **style)
        panels[1].axhline(0, color="0.75", linewidth=1, zorder=0)
        panels[1].set(ylabel="points above the linear model")
    for axis in panels if differences else [axes]:
        axis.axvline(1, color="0.75", linewidth=1, zorder=0)
        axis.set(xlabel="speaking rate of the test audio (1 = as recorded)")
    return svg_bytes(figure)


def hardest_first(groups: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Phones or speakers by their phone error rate, the highest first.

    Args:
        groups: system -> phone or speaker -> mean phone error rate in percent; infinite values do not count.

    >>> hardest_first({"lcorr": {"a": 1.0, "b": 3.0}, "mcorr": {"a": 3.0, "b": math.inf}})
    ['b', 'a']
    """
    names = dict.fromkeys(name for of_system in groups.values() for name in of_system)

    def worst(name: str) -> float:
        known = [v for of_system in groups.values() if math.isfinite(v := of_system.get(name, math.inf))]
        return sum(known) / len(known) if known else 0.0

    return sorted(names, key=lambda name: (-worst(name), name))


@drawing()
def draw_groups(groups: Mapping[str, Mapping[str, float]], what: str) -> bytes:
    """SVG of the phone error rate of each phone or speaker, the worst first, with one dot per system.

    The column of each name in `hardest_first(groups)` has the id `mark-` and its number.

    Args:
        groups: system -> phone or speaker -> mean phone error rate in percent; infinite values have no dot.
        what: phone or speaker, for the label of the axis.
    """
    names = hardest_first(groups)
    figure, axes = new_figure(max(4.0, min(0.24 * len(names) + 1.5, 14.0)), 3.2)
    for system, of_system in groups.items():
        values = [of_system.get(name, math.inf) for name in names]
        shown = [value if math.isfinite(value) else math.nan for value in values]
        marker = SYSTEM_MARKERS.get(system[:5], "o")
        axes.plot(
            range(len(names)), shown, marker, label=shown_text(system, 40), markersize=5, **system_style(system, groups)
        )
    axes.set_xticks(range(len(names)), list(map(shown_text, names)), rotation=90, fontsize=8)
    axes.set(ylabel="phone error rate, %", xlabel=f"{what}, the hardest first")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    for number, column in enumerate(axes.bar(range(len(names)), axes.get_ylim()[1], width=1.0, alpha=0)):
        column.set_gid(f"mark-{number}")
    axes.set_xlim(-0.8, len(names) - 0.2)
    return svg_bytes(figure)
