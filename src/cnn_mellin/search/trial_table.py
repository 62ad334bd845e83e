"""The trials of a study as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.trial_queue import DEATHS, FAILURE, HANDED_BACK, REASON, WORKER

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["trials_as_csv"]

_ATTRIBUTES = (REASON, WORKER, DEATHS, HANDED_BACK, FAILURE)
_BEFORE = ("number", "state", "dev_per_percent", "num_epochs_reported", "start_utc", "end_utc", "seconds")


def trials_as_csv(plan: StudyPlan, trials: Sequence[FrozenTrial]) -> str:
    """A header, and one line per trial: state, value, times, attributes and hyperparameters."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [dimension.name for dimension in plan.dimensions]
    writer.writerow([*_BEFORE, *_ATTRIBUTES, *names])
    for trial in sorted(trials, key=lambda trial: trial.number):
        writer.writerow(
            [
                *(trial.number, trial.state.name, trial.value, len(trial.intermediate_values)),
                *(_time(trial.datetime_start), _time(trial.datetime_complete)),
                "" if trial.duration is None else f"{trial.duration.total_seconds():.1f}",
                *(trial.user_attrs.get(key, "") for key in _ATTRIBUTES),
                *(trial.params.get(name, "") for name in names),
            ]
        )
    return text.getvalue()


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(" ", "seconds")
