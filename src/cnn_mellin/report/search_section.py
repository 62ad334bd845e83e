"""A report's section on a search: how each study went, and which settings mattered."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from cnn_mellin.report.figures.text import drawing, shown_text
from cnn_mellin.report.report_page import Section

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from cnn_mellin.search.plan import StudyPlan

__all__ = ["search_section"]

_MOST_SETTINGS = 10


def search_section(db_url: str, names: Sequence[str]) -> Section:
    """History and importances of studies; empty without any.

    Args:
        db_url: of their database, as `cnn-mellin optim` takes it.
        names: of the studies; those that are not there are left out.
    """
    section = Section("Search")
    if not names:
        return section
    from cnn_mellin.search.best_settings import completed_trials, trial_value
    from cnn_mellin.search.database_url import DatabaseError
    from cnn_mellin.search.importance import setting_importances
    from cnn_mellin.search.status import study_status

    try:
        studies = _read(db_url, names)
    except DatabaseError as error:
        section.text(f"The searches' database cannot be read now: {error}")
        return section
    if not studies:
        return section
    rows = []
    for name, (plan, trials) in studies.items():
        stands = study_status(name, plan, trials, {})
        lowest = "–" if stands.lowest is None else f"{stands.lowest[0]:.2f}"
        failed = sum(trial.state.name == "FAIL" for trial in trials)
        rows.append([name, str(stands.num_completed), str(stands.num_pruned), str(failed), lowest])
    section.table(["study", "complete", "pruned", "failed", "lowest dev PER %"], rows)
    histories = {name: [(t.number, trial_value(t)) for t in completed_trials(ts)] for name, (_, ts) in studies.items()}
    histories = {name: values for name, values in histories.items() if values}
    if histories:
        section.picture(_draw_histories(histories), "Each trial a dot; the lowest so far a line.")
    for name, values in histories.items():
        if len({value for _, value in values}) > 1:
            found = setting_importances(name, *studies[name])[:_MOST_SETTINGS]
            section.text(f"Importance in {name} (fANOVA, of the complete trials):")
            section.table(["setting", "importance"], [[setting, f"{value:.3f}"] for setting, value in found])
    return section


def _read(db_url: str, names: Sequence[str]) -> dict[str, tuple[StudyPlan, list[FrozenTrial]]]:
    from cnn_mellin.search.database_url import resolve_database_url
    from cnn_mellin.search.storage import StudyDatabase
    from cnn_mellin.search.study import load_study, study_names

    found = {}
    with StudyDatabase(resolve_database_url(db_url)) as database:
        there = set(study_names(database))
        for name in names:
            if name in there:
                study, _, plan = load_study(database, name)
                found[name] = (plan, database.patiently(partial(study.get_trials, deepcopy=False)))
    return found


@drawing()
def _draw_histories(histories: dict[str, list[tuple[int, float]]]) -> bytes:
    from matplotlib.figure import Figure

    from cnn_mellin.report.figures.study import draw_history

    columns = min(len(histories), 2)
    rows = math.ceil(len(histories) / columns)
    figure = Figure(figsize=(4.7 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, history) in zip(axes, histories.items(), strict=False):
        numbers, values = zip(*history, strict=True)
        draw_history(axis, numbers, values)
        axis.set_title(shown_text(name, 40), fontsize=9)
    for axis in axes[len(histories) :]:
        axis.set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
