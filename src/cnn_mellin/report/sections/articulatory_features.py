"""Section on phone feature error rates, for corpora whose symbols have known articulatory features."""

from __future__ import annotations

import importlib.util
import statistics

from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import system_name
from cnn_mellin.scoring.feature_error_rate import feature_error_rate

__all__ = ["articulatory_features_section"]


def articulatory_features_section(results: RecipeResults) -> Section:
    """Table of phone feature error rates under greedy search.

    The section is empty if panphon is not installed, or if a symbol of the references has no known features.
    """
    section = Section("Articulatory features")
    if importlib.util.find_spec("panphon") is None:
        return section
    rows: list[list[str]] = []
    for system in results.systems:
        files = sorted((results.folder / "systems" / f"{system}-greedy").glob("*/test.trn"))
        scored = [feature_error_rate(*results.transcripts(path)) for path in files]
        if not scored or any(result.unknown for result in scored):
            return section
        percents = [result.percent for result in scored]
        per_utterance = statistics.fmean(result.total.distance_per_utterance for result in scored)
        spread = f"{statistics.stdev(percents):.2f}" if len(percents) > 1 else "–"
        name = system_name(system, "greedy")
        rows.append([name, f"{statistics.fmean(percents):.2f}", spread, f"{per_utterance:.3f}", str(len(percents))])
    section.text(
        "Phone feature error rate: a substitution costs the proportion of 24 articulatory features that differ "
        "(panphon), an insertion or deletion 1; the sum is divided by the number of segments in the references, "
        "without silence. The last but one column divides it by the number of utterances instead."
    )
    header = ["system", "mean PFER %", "sd", "distance per utterance", "seeds"]
    section.table(header, rows)
    return section
