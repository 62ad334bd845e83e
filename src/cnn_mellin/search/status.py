"""The progress of studies: trials by state, speed, time left and failures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cnn_mellin.formats.text_table import format_table
from cnn_mellin.search.best_settings import completed_trials
from cnn_mellin.search.heartbeat import GRACE
from cnn_mellin.search.plan import StudyPlan
from cnn_mellin.search.trial_queue import DEATHS, FAILURE, GIVEN_UP, REASON

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["StudyStatus", "status_table", "study_status"]

# Number of recent trials that speed is computed from.
_NUM_RECENT = 20


@dataclass(frozen=True)
class StudyStatus:
    """Result of `study_status`.

    Args:
        study_name: name of the study.
        num_trials: number of all trials.
        num_completed, num_pruned, num_waiting: number of trials in these states.
        num_running, num_dead: number of running trials with and without a recent heartbeat.
        lowest: lowest dev PER of a completed trial in percent, and the trial's number; None if there is none.
        trial_s: mean duration of the last finished trials in seconds, including those pruned before training; None if
            there is none.
        failures: one line per trial whose training failed or whose worker died, unless it was completed since.
    """

    study_name: str
    num_trials: int
    num_completed: int
    num_pruned: int
    num_waiting: int
    num_running: int
    num_dead: int
    lowest: tuple[float, int] | None
    trial_s: float | None
    failures: tuple[str, ...] = ()

    @property
    def num_left(self) -> int:
        """Number of trials that are not finished."""
        return self.num_trials - self.num_completed - self.num_pruned

    @property
    def trials_per_hour(self) -> float | None:
        """Speed of the workers that are alive now."""
        return 3600 * self.num_running / self.trial_s if self.trial_s else None

    @property
    def left_s(self) -> float | None:
        """Seconds until all trials are finished by the workers that are alive now; None if unknown."""
        if not self.num_left:
            return 0.0
        return self.num_left * self.trial_s / self.num_running if self.trial_s and self.num_running else None


def study_status(
    study_name: str,
    plan: StudyPlan,
    trials: Sequence[FrozenTrial],
    beats: Mapping[int, tuple[datetime, float, str]],
) -> StudyStatus:
    """The progress of a study.

    Args:
        study_name: name of the study.
        plan: plan of the study.
        trials: trials of the study.
        beats: result of `TrialQueue.beats`.
    """
    states = [trial.state.name for trial in trials]
    dead = sum(age_s > GRACE * plan.heartbeat_s for _, age_s, _ in beats.values())
    done = completed_trials(trials)
    lowest = min(((trial.value, trial.number) for trial in done if trial.value is not None), default=None)
    ended = [trial for trial in trials if trial.state.name in ("COMPLETE", "PRUNED") and trial.datetime_complete]
    ended.sort(key=lambda trial: trial.datetime_complete or datetime.min)
    seconds = [trial.duration.total_seconds() for trial in ended[-_NUM_RECENT:] if trial.duration is not None]
    return StudyStatus(
        study_name,
        plan.num_trials,
        states.count("COMPLETE"),
        states.count("PRUNED"),
        states.count("WAITING"),
        states.count("RUNNING") - dead,
        dead,
        lowest,
        statistics.fmean(seconds) if seconds else None,
        tuple(filter(None, map(_failure, sorted(trials, key=lambda trial: trial.number)))),
    )


def _failure(trial: FrozenTrial) -> str:
    """One line on a trial whose last attempt failed; empty if it has succeeded since."""
    attributes, state = trial.user_attrs, trial.state.name
    given_up = state == "PRUNED" and str(attributes.get(REASON, "")).startswith(GIVEN_UP)
    if FAILURE not in attributes or not (given_up or state in ("WAITING", "RUNNING")):
        return ""
    times = "once" if attributes.get(DEATHS) == 1 else f"{attributes.get(DEATHS)} times"
    now = "given up" if given_up else "running again" if state == "RUNNING" else "waits for another attempt"
    return f"trial {trial.number} failed {times}, {now}: {' '.join(str(attributes[FAILURE]).split())}"


def status_table(studies: Sequence[StudyStatus]) -> str:
    """A table with one line per study, and below it one line per failed trial."""
    header = ["study", "trials", "complete", "pruned", "running", "dead", "waiting", "lowest dev PER %"]
    rows = []
    for study in studies:
        lowest = "" if study.lowest is None else f"{study.lowest[0]:.2f} (trial {study.lowest[1]})"
        counts = (study.num_trials, study.num_completed, study.num_pruned, study.num_running, study.num_dead)
        hourly = "" if study.trials_per_hour is None or not study.num_left else f"{study.trials_per_hour:.1f}"
        rows.append(
            [study.study_name, *map(str, counts), str(study.num_waiting), lowest, hourly, _duration(study.left_s)]
        )
    failures = [f"{study.study_name}: {line}" for study in studies for line in study.failures]
    return "\n".join([format_table([*header, "trials/h", "time left"], rows), *failures])


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds == 0:
        return "done"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
