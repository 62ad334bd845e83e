"""Section on the gain of each system from prefix search with the language model."""

from __future__ import annotations

from cnn_mellin.recipe.plan import DECODERS
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Section
from cnn_mellin.report.table_cells import TEST_HEADERS, difference_cells, p_value_cell
from cnn_mellin.scoring.significance.holm import holm

__all__ = ["language_model_section"]


def language_model_section(results: RecipeResults) -> Section:
    """Table of each system with and without the language model."""
    section = Section("Language model")
    found = {system: results.comparison(f"search-{system}") for system in results.systems}
    found = {system: compared for system, compared in found.items() if compared is not None}
    pairs = [compared["pairs"][0] for compared in found.values()]
    tests = [holm([pair[key] for pair in pairs]) for key in ("permutation_p", "training_p", "matched_pairs_p_holm")]
    rows = []
    for (system, compared), pair, *p_values in zip(found.items(), pairs, *tests, strict=True):
        means = [f"{compared['systems'][f'{system}-{decoder}']['mean']:.2f}" for decoder in DECODERS]
        rows.append([system, *means, *difference_cells(pair), *map(p_value_cell, p_values)])
    if rows:
        model = "trigram" if results.options.sizes.lm_order == 3 else "n-grams"
        section.table(["system", "greedy", model, "points", "95 % interval", *TEST_HEADERS], rows)
        explanation = "prefix search with the language model of the training phones, settings chosen on dev"
        section.text(f"{model.capitalize()}: {explanation}.")
    return section
