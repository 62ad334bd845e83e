"""Section on phone error rates at speaking rates that no model was trained on."""

from __future__ import annotations

import statistics

from cnn_mellin.report.figures.results import draw_rates
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section

__all__ = ["speaking_rate_section"]


def speaking_rate_section(results: RecipeResults) -> Section:
    """Picture and tables of the phone error rate against the speaking rate."""
    section = Section("Speaking rate")
    percents: dict[str, dict[float, list[float]]] = {}
    for system in results.systems:
        scored = results.percents(f"{system}-speed", "speaker")
        if scored:
            percents[system] = {float(speaking_rate): values for speaking_rate, values in scored.items()}
    if not percents:
        return section
    section.text(
        "The same test utterances, slowed and sped up at the same pitch (WSOLA, overlapping pieces of the waveform): "
        "no model was trained on them. A Mellin layer turns a change of speaking rate into a shift. If that helps, "
        "its line rises less to both sides."
    )
    rates = sorted(next(iter(percents.values())))
    means = {system: {rate: statistics.fmean(of[rate]) for rate in rates} for system, of in percents.items()}
    courses = [
        f"{system}: {', '.join(f'{of[rate]:.1f} % at {rate:g}' for rate in rates)}" for system, of in means.items()
    ]
    alt = f"Lines of the phone error rate against the speaking rate. {'; '.join(courses)}."
    section.picture(draw_rates(percents), "Phone error rate against speaking rate: means as lines, seeds as dots.", alt)
    header = [f"{rate:g}" for rate in rates]
    rows = [[system, *(f"{of[rate]:.1f}" for rate in rates)] for system, of in means.items()]
    section.table(["mean PER %", *header], rows)
    if 1.0 in rates:
        rises = [[system, *(f"{of[rate] - of[1.0]:+.1f}" for rate in rates)] for system, of in means.items()]
        section.table(["points above speaking rate 1", *header], rises)
    return section
