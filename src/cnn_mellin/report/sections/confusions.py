"""Section on the phones that the best system confuses."""

from __future__ import annotations

from cnn_mellin.report.figures.results import draw_confusions
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import system_name
from cnn_mellin.scoring.phone_error_rate import phone_error_rate

__all__ = ["confusions_section"]

# A confusion matrix of more phones would be too large to read.
_MOST_PHONES = 120
_NUM_WORST = 10


def confusions_section(results: RecipeResults) -> Section:
    """Picture of the confusion matrix of the best system's median seed, and a table of its most frequent confusions."""
    section = Section("Confusions")
    best, path = results.median_run()
    scored = phone_error_rate(*results.transcripts(path))
    phones, counts = scored.confusion_matrix()
    if len(phones) <= _MOST_PHONES:
        caption = f"{system_name(best, 'greedy')}, median seed; each row in percent of its phone "
        section.picture(draw_confusions(phones, counts), f"{caption}(colours: square root).")
    rows = [[r or "(nothing)", h or "(nothing)", str(count)] for r, h, count in scored.worst_confusions(_NUM_WORST)]
    section.table(["said", "recognised", "times"], rows)
    return section
