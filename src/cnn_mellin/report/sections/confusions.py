"""Section on the phones that the best system confuses."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from cnn_mellin.report.figures.confusions import draw_confusions
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import system_name
from cnn_mellin.scoring.phone_error_rate import phone_error_rate

__all__ = ["confusions_section"]

# A confusion matrix of more phones would be too large to read.
_MOST_PHONES = 120
_NUM_WORST = 10


def confusions_section(results: RecipeResults) -> Section:
    """Picture of the confusion matrix of the best system's median seed, and tables of its most frequent errors."""
    section = Section("Confusions")
    best, path = results.median_run()
    scored = phone_error_rate(*results.transcripts(path))
    phones, counts = scored.confusion_matrix()
    if len(phones) <= _MOST_PHONES:
        caption = f"{system_name(best, 'greedy')}, median seed; each row in percent of its phone "
        alt = f"Heat map of what was recognised for each of {len(phones) - 1} phones. {_diagonal(phones, counts)}"
        section.picture(draw_confusions(phones, counts), f"{caption}(colours: square root).", alt, invert=True)
    worst = sorted(
        ((r or "", h or "", count) for (r, h), count in scored.pairs.items() if r != h and count),
        key=lambda pair: (-pair[2], pair[:2]),
    )
    substitutions = [[r, h, str(count)] for r, h, count in worst if r and h]
    deletions = [[r, str(count)] for r, h, count in worst if not h]
    insertions = [[h, str(count)] for r, h, count in worst if not r]
    with section.beside():
        for header, rows in (
            (["said", "recognised", "times"], substitutions),
            (["deleted", "times"], deletions),
            (["inserted", "times"], insertions),
        ):
            if rows:
                section.table(header, rows[:_NUM_WORST])
    return section


def _diagonal(phones: Sequence[str | None], counts: Sequence[Sequence[int]]) -> str:
    """Sentence on the phones that were recognised correctly."""
    totals = {phone: sum(row) for phone, row in zip(phones, counts, strict=True) if phone is not None}
    shares = {phone: 100 * counts[i][i] / total for i, (phone, total) in enumerate(totals.items()) if total}
    if not shares:
        return "No phone was said."
    lowest = min(shares, key=lambda phone: (shares[phone], phone))
    median = statistics.median(shares.values())
    return f"The diagonal, correct: median {median:.0f} % of a phone, lowest {shares[lowest]:.0f} % ({lowest})."
