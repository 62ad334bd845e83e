"""Section on a search: the course of each study, and the importance of its hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from cnn_mellin.report.report_page import Section

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from cnn_mellin.search.plan import StudyPlan

__all__ = ["search_section"]

_MOST_HYPERPARAMETERS = 10


def search_section(db_url: str, names: Sequence[str]) -> Section:
    """History of studies, and importances of their hyperparameters; an empty section without studies.

    Args:
        db_url: URL of the database, as `cnn-mellin optim` takes it.
        names: names of the studies; studies that the database does not hold are left out.
    """
    section = Section("Search")
    if not names:
        return section
    # Late, as Optuna is an extra that a recipe without a search does not need.
    from cnn_mellin.report.figures.study import draw_histories
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
        status = study_status(name, plan, trials, {})
        lowest = "–" if status.lowest is None else f"{status.lowest[0]:.2f}"
        failed = sum(trial.state.name == "FAIL" for trial in trials)
        rows.append([name, str(status.num_completed), str(status.num_pruned), str(failed), lowest])
    section.table(["study", "complete", "pruned", "failed", "lowest dev PER %"], rows)
    histories = {name: [(t.number, trial_value(t)) for t in completed_trials(ts)] for name, (_, ts) in studies.items()}
    histories = {name: values for name, values in histories.items() if values}
    if histories:
        lowest_of = {name: min(values, key=lambda pair: pair[1]) for name, values in histories.items()}
        found = [f"{name}: lowest {value:.2f} % in trial {number}" for name, (number, value) in lowest_of.items()]
        alt = f"Dots of the dev phone error rate of each trial. {'; '.join(found)}."
        section.picture(draw_histories(histories), "Dots: trials. Line: the lowest so far.", alt)
    for name, values in histories.items():
        if len({value for _, value in values}) > 1:
            importances = setting_importances(name, *studies[name])[:_MOST_HYPERPARAMETERS]
            section.text(f"Importance in {name} (fANOVA over the completed trials):")
            section.table(
                ["hyperparameter", "importance"], [[setting, f"{value:.3f}"] for setting, value in importances]
            )
    return section


def _read(db_url: str, names: Sequence[str]) -> dict[str, tuple[StudyPlan, list[FrozenTrial]]]:
    from cnn_mellin.search.database_url import resolve_database_url
    from cnn_mellin.search.storage import StudyDatabase
    from cnn_mellin.search.study import load_study, study_names

    found = {}
    with StudyDatabase(resolve_database_url(db_url)) as database:
        existing = set(study_names(database))
        for name in names:
            if name in existing:
                study, _, plan = load_study(database, name)
                found[name] = (plan, database.patiently(partial(study.get_trials, deepcopy=False)))
    return found
