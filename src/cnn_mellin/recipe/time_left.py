"""Estimate of the time that the unfinished steps of a recipe take, from the steps that are done and running."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import last_lines

__all__ = ["TimeLeft", "duration_text", "progress", "result", "time_left"]

# Lines that `train` logs: one per epoch, and one at its end.
_EPOCH = re.compile(r"^(epoch \d+/\d+), .*?(, dev PER [\d.]+ %)?, .*?([\d.]+) (s|min) left$")
_LEAST_S = 5  # an estimate that leaves out steps and is shorter says nothing
_BEST = re.compile(r"the best is \d+ \((.+)\)$")


@dataclass(frozen=True)
class TimeLeft:
    """Estimate of the time until a recipe ends.

    Args:
        seconds: the estimate.
        is_whole: False where the estimate leaves out steps, as no step like them is done or can be estimated.

    >>> str(TimeLeft(250, True)), str(TimeLeft(40, False))
    ('about 4 min left', 'at least 40 s left')
    """

    seconds: float
    is_whole: bool

    def __str__(self) -> str:
        return f"{'about' if self.is_whole else 'at least'} {duration_text(self.seconds)} left"


def time_left(records: StepRecords, steps: Sequence[Step], num_parallel: int) -> TimeLeft | None:
    """Estimate the time until all steps are done; None where nothing is known yet, or nothing is left.

    A step is expected to take as long as those of its stage that are done, on average; a running training as long as
    its own log says.

    Args:
        records: the recipe's records.
        steps: steps to be done, with those that are done already.
        num_parallel: number of steps that run at the same time.
    """
    now = time.time()
    known: dict[str, list[float]] = {}
    logged: dict[str, float] = {}  # running step -> seconds until its end, as its log says
    elapsed: dict[str, float] = {}
    unfinished = [step for step in steps if not records.path(step.name, "done").exists()]
    left_names = {step.name for step in unfinished}
    for step in steps:
        if step.name not in left_names and (seconds := records.seconds(step.name)) is not None:
            known.setdefault(step.stage, []).append(seconds)
    for step in unfinished:
        start = records.read(step.name, "start")
        if start is not None:
            elapsed[step.name] = max(now - start["began"], 0.0)
            until_end = _logged_left(records, step.name, now)
            if until_end is not None:
                logged[step.name] = until_end
    for step in unfinished:
        if step.name in logged and step.stage not in known:  # then those that have not begun take as long as this one
            known[step.stage] = [elapsed[step.name] + logged[step.name]]
    needed = []
    for step in unfinished:
        if step.name in logged:
            needed.append(logged[step.name])
        elif step.stage in known:
            needed.append(max(fmean(known[step.stage]) - elapsed.get(step.name, 0.0), 0.0))
    if not needed:
        return None
    left = TimeLeft(max(sum(needed) / max(num_parallel, 1), *needed), len(needed) == len(unfinished))
    return left if left.is_whole or left.seconds >= _LEAST_S else None


def progress(line: str) -> str:
    """Short form of a line that a step has logged: of an epoch, its number and phone error rate.

    >>> progress("epoch 3/8, loss 0.6868, dev PER 14.40 %, learning rate 3.16e-03, 105 utterances/s, 46 s left")
    'epoch 3/8, dev PER 14.40 %'
    """
    epoch = _EPOCH.match(line)
    return line if epoch is None else f"{epoch[1]}{epoch[2] or ''}"


def result(line: str) -> str:
    """Result of a training in the last line of its log; empty where it has none.

    >>> result("models/mcorr/seed1: 8 epochs, the best is 8 (dev PER 8.88 %)")
    'dev PER 8.88 %'
    """
    best = _BEST.search(line)
    return "" if best is None else best[1]


def duration_text(seconds: float) -> str:
    """A duration in seconds, minutes or hours.

    >>> duration_text(40), duration_text(250), duration_text(9000)
    ('40 s', '4 min', '2.5 h')
    """
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _logged_left(records: StepRecords, name: str, now: float) -> float | None:
    """Seconds until the end of a step by the last line of its log, None where that does not say."""
    log = records.log(name)
    epoch = _EPOCH.match(last_lines(log, 1))
    if epoch is None:
        return None
    left = float(epoch[3]) * (60 if epoch[4] == "min" else 1)
    return max(left - (now - log.stat().st_mtime), 0.0)
