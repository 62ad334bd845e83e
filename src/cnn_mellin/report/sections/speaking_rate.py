"""Section on phone error rates at speaking rates that no model was trained on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from cnn_mellin.report.figures.results import draw_rates
from cnn_mellin.report.leader import LEVEL
from cnn_mellin.report.rate_comparison import RateDifference, rate_differences, rate_errors, rate_interval
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import p_value_cell
from cnn_mellin.scoring.significance.bootstrap import BootstrapDifference
from cnn_mellin.scoring.significance.speaker_errors import SpeakerErrors

__all__ = ["speaking_rate_section"]


def speaking_rate_section(results: RecipeResults) -> Section:
    """Picture and tables of the phone error rate against the speaking rate, with tests of the systems' differences."""
    section = Section("Speaking rate")
    percents: dict[str, dict[float, list[float]]] = {}
    for system in results.systems:
        scored = results.percents(f"{system}-speed", "speaker")
        if scored:
            percents[system] = {float(speaking_rate): values for speaking_rate, values in scored.items()}
    if not percents:
        return section
    errors = rate_errors(results)
    pairs = [
        (first, second)
        for name in results.options.feature_names
        for first, second in [(f"lcorr-{name}", f"mcorr-{name}")]
        if first in errors and second in errors
    ]
    differences = rate_differences(errors, pairs, replications=results.options.sizes.replications) if pairs else []
    for sentence in _findings(differences):
        section.text(sentence)
    section.text(
        "The same test utterances, slowed and sped up at the same pitch (WSOLA, overlapping pieces of the waveform): "
        "no model was trained on them. A Mellin layer turns a change of speaking rate into a shift. If that helps, "
        "its line rises less to both sides."
    )
    rates = sorted(next(iter(percents.values())))
    means = {system: {rate: statistics.fmean(of[rate]) for rate in rates} for system, of in percents.items()}
    bands = _bands(errors, results.options.sizes.replications)
    caption = "Phone error rate against speaking rate: means as lines, seeds as dots"
    caption += ", 95 % intervals as bands (bootstrap over speakers and seeds)" if bands else ""
    panel = _panel(differences)
    caption += (
        "; at the right, the difference between the models, whose interval is narrower as both meet the same speakers."
        if panel
        else "."
    )
    courses = [
        f"{system}: {', '.join(f'{of[rate]:.1f} % at {rate:g}' for rate in rates)}" for system, of in means.items()
    ]
    alt = f"Lines of the phone error rate against the speaking rate. {'; '.join(courses)}."
    for system, of_pair in panel.items():
        points = ", ".join(f"{difference:+.1f} at {rate:g}" for rate, (difference, _, _) in of_pair.items())
        alt += f" Points of {system} above the linear model: {points}."
    section.picture(draw_rates(percents, bands, panel), caption, alt)
    header = [f"{rate:g}" for rate in rates]
    rows = [[system, *(f"{of[rate]:.1f}" for rate in rates)] for system, of in means.items()]
    section.table(["mean PER %", *header], rows)
    if 1.0 in rates:
        rises = [[system, *(f"{of[rate] - of[1.0]:+.1f}" for rate in rates)] for system, of in means.items()]
        section.table(["points above speaking rate 1", *header], rises)
    if differences:
        header = ["difference", "speaking rate", "points", "95 % interval", "p"]
        header += ["rise, points", "rise, 95 % interval", "rise, p"]
        section.table(header, [_row(difference) for difference in differences])
        section.text(
            "Rise: difference of the points above speaking rate 1. p: the higher of the permutation tests over "
            "speakers and over trainings, each with Holm's correction for all pairs and speaking rates."
        )
    return section


def _bands(
    errors: Mapping[str, Mapping[float, SpeakerErrors]], replications: int
) -> dict[str, dict[float, tuple[float, float]]]:
    """System -> speaking rate -> 95 % interval; without the systems of which there is none."""
    bands = {}
    for system, of_system in errors.items():
        found = {rate: rate_interval(of_rate, replications=replications) for rate, of_rate in of_system.items()}
        known = {rate: interval for rate, interval in found.items() if interval is not None}
        if known:
            bands[system] = known
    return bands


def _panel(differences: Sequence[RateDifference]) -> dict[str, dict[float, tuple[float, float, float]]]:
    """Second system of a pair -> speaking rate -> difference and its interval, where it has one."""
    panel: dict[str, dict[float, tuple[float, float, float]]] = {}
    for found in differences:
        bootstrap = found.difference
        if bootstrap.low is not None and bootstrap.high is not None:
            ends = (bootstrap.difference, bootstrap.low, bootstrap.high)
            panel.setdefault(found.second, {})[found.rate] = ends
    return panel


def _findings(differences: Sequence[RateDifference]) -> list[str]:
    """One sentence per pair: does the second system rise less away from speaking rate 1, and how certain is that?"""
    sentences = []
    for pair in dict.fromkeys((difference.first, difference.second) for difference in differences):
        of_pair = [d for d in differences if (d.first, d.second) == pair]
        rises = {d.rate: (d.rise, d.rise_p_value) for d in of_pair if d.rise is not None and d.rise_p_value is not None}
        if not rises:
            continue
        changes = [_change(rise.difference, rate) for rate, (rise, _) in rises.items()]
        text = f"Compared with {pair[0]}, the phone error rate of {pair[1]} rises {' and '.join(changes)}"
        certain = [f"{rate:g} (p {_shown(p)})" for rate, (_, p) in rises.items() if p < LEVEL]
        if certain:
            text += f"; that is more than chance explains at {' and '.join(certain)}"
            text += "." if len(certain) == len(rises) else ", and not shown to be more than chance elsewhere."
        else:
            lowest = min(p for _, p in rises.values())
            text += f"; not shown to be more than chance at any speaking rate (lowest p {_shown(lowest)})."
        sentences.append(text)
    return sentences


def _change(points: float, rate: float) -> str:
    if f"{abs(points):.1f}" == "0.0":
        return f"as much at {rate:g}"
    return f"{abs(points):.1f} points {'less' if points < 0 else 'more'} at {rate:g}"


def _shown(p_value: float) -> str:
    return p_value_cell(p_value) if p_value < 0.001 else f"= {p_value_cell(p_value)}"


def _row(found: RateDifference) -> list[str]:
    rise = ["–", "–", "–"]
    if found.rise is not None and found.rise_p_value is not None:
        rise = [*_interval(found.rise), p_value_cell(found.rise_p_value)]
    differing = f"{found.second} − {found.first}"
    return [differing, f"{found.rate:g}", *_interval(found.difference), p_value_cell(found.p_value), *rise]


def _interval(found: BootstrapDifference) -> list[str]:
    shown = "–" if found.low is None or found.high is None else f"{found.low:+.2f} to {found.high:+.2f}"
    return [f"{found.difference:+.2f}", shown]
