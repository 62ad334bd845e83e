"""Report of a recipe: its results as one page, in HTML and in Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cnn_mellin.atomic import atomic_file
from cnn_mellin.recipe.options import read_options
from cnn_mellin.recipe.search_plan import study_names
from cnn_mellin.report.answer import answer
from cnn_mellin.report.recipe_results import RecipeResults
from cnn_mellin.report.report_page import Page, Section
from cnn_mellin.report.sections.articulatory_features import articulatory_features_section
from cnn_mellin.report.sections.confusions import confusions_section
from cnn_mellin.report.sections.data import data_section
from cnn_mellin.report.sections.groups import groups_section
from cnn_mellin.report.sections.language_model import language_model_section
from cnn_mellin.report.sections.layers import layers_section
from cnn_mellin.report.sections.learning_curves import learning_curves_section
from cnn_mellin.report.sections.reproduction import reproduction_section
from cnn_mellin.report.sections.results import results_section
from cnn_mellin.report.sections.search import search_section
from cnn_mellin.report.sections.speaking_rate import speaking_rate_section
from cnn_mellin.report.sections.systems import systems_section
from cnn_mellin.report.sections.utterance import utterance_section

__all__ = ["results_text", "write_report"]

_TITLE = "Linear and Mellin models: phone error rates"


def write_report(folder: str | Path) -> list[Path]:
    """Write `report.html` and `report.md` of a recipe; returns their paths.

    Args:
        folder: the recipe's folder.

    Raises:
        DataError: the folder holds no recipe, or one without a comparison yet.
        ImportError: matplotlib is not installed (the extra `report`).
    """
    folder = Path(folder)
    page = _page(_read_results(folder))
    paths = [folder / "report.html", folder / "report.md"]
    for path, text in zip(paths, (page.html(), page.markdown()), strict=True):
        with atomic_file(path) as file:
            file.write(text)
    return paths


def results_text(folder: str | Path, text_format: Literal["text", "markdown"] = "text") -> str:
    """Results of a recipe for a terminal: phone error rates, and the significance of their differences.

    Args:
        folder: the recipe's folder.
        text_format: text, with aligned tables, or markdown.

    Raises:
        DataError: the folder holds no recipe, or one without a comparison yet.
    """
    results = _read_results(folder)
    sections = [results_section(results), language_model_section(results)]
    page = Page(_TITLE, _about(results), answer(results.comparisons, results.decoders), sections)
    return page.markdown() if text_format == "markdown" else page.plain_text()


def _read_results(folder: str | Path) -> RecipeResults:
    return RecipeResults(Path(folder), read_options(folder))


def _page(results: RecipeResults) -> Page:
    about = _about(results)
    sections = [
        systems_section(results),
        results_section(results),
        language_model_section(results),
        articulatory_features_section(results),
        speaking_rate_section(results),
        layers_section(results),
        learning_curves_section(results),
        groups_section(results, "phone"),
        groups_section(results, "speaker"),
        confusions_section(results),
        utterance_section(results),
        data_section(results),
        _search(results),
        reproduction_section(results),
    ]
    return Page(_TITLE, about, answer(results.comparisons, results.decoders), sections)


def _about(results: RecipeResults) -> str:
    greedy, options = results.comparisons["greedy"], results.options
    about = f"Test partition of {Path(options.corpus).name}: {greedy['num_utterances']} utterances of "
    about += f"{greedy['num_speakers']} speakers, {greedy['num_phones']} phones. Trained {options.num_seeds} times "
    return about + f"each; every silence scored (convention {greedy['convention']})."


def _search(results: RecipeResults) -> Section:
    if not results.options.search:
        return Section("Search")
    url = results.options.db_url or f"sqlite:///{results.folder.resolve() / 'search.db'}"
    return search_section(url, study_names(results.options))
