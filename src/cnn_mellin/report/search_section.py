"""A report's section on a search: how each study went, and which settings mattered."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

from cnn_mellin.report.report_page import Section

__all__ = ["search_section"]

_MOST_SETTINGS = 10


def search_section(url: str, study_names: Sequence[str]) -> Section:
    """History and importances of studies; empty without any.

    Args:
        url: of their database.
        study_names: those that are not there are left out.
    """
    section = Section("Search")
    if not study_names:
        return section
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(url, skip_compatibility_check=True, skip_table_creation=True)
        there = {study.study_name for study in optuna.get_all_study_summaries(storage, include_best_trial=False)}
        studies = [optuna.load_study(study_name=name, storage=storage) for name in study_names if name in there]
    except Exception as error:  # of whichever driver
        section.text(f"The searches' database cannot be read now ({type(error).__name__}).")
        return section
    rows = [[study.study_name, *_counts(study), _best(study)] for study in studies]
    if not rows:
        return section
    section.table(["study", "complete", "pruned", "failed", "lowest dev PER %"], rows)
    finished = [study for study in studies if _values(study)]
    if finished:
        section.picture(_draw_histories(finished), "Each trial a dot; the lowest so far a line.")
    for study in finished:
        importances = _importances(study)
        if importances:
            section.text(f"Importance in {study.study_name} (fANOVA, of the complete trials):")
            section.table(["setting", "importance"], [[name, f"{value:.3f}"] for name, value in importances])
    return section


def _counts(study: Any) -> list[str]:
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    return [str(states.count(name)) for name in ("COMPLETE", "PRUNED", "FAIL")]


def _values(study: Any) -> list[tuple[int, float]]:
    trials = study.get_trials(deepcopy=False)
    return [(t.number, t.value) for t in trials if t.state.name == "COMPLETE" and math.isfinite(t.value)]


def _best(study: Any) -> str:
    values = _values(study)
    return f"{min(value for _, value in values):.2f}" if values else "–"


def _importances(study: Any) -> list[tuple[str, float]]:
    """The most important settings first; none where trials are too few or all alike."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if len({value for _, value in _values(study)}) < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
        except (RuntimeError, ValueError):
            return []
    return list(found.items())[:_MOST_SETTINGS]


def _draw_histories(studies: Sequence[Any]) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from cnn_mellin.report.search_pictures import draw_history

    columns = min(len(studies), 2)
    rows = math.ceil(len(studies) / columns)
    figure = Figure(figsize=(4.7 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, study in zip(axes, studies, strict=False):
        numbers, values = zip(*_values(study), strict=True)
        draw_history(axis, numbers, values)
        axis.set_title(study.study_name, fontsize=9)
    for axis in axes[len(studies) :]:
        axis.set_visible(False)
    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "cnn-mellin"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
