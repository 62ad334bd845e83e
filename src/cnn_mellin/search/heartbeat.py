"""A worker's sign of life, and its watch over the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType

from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.trial_queue import TrialQueue

__all__ = ["GRACE", "BeatWatch", "Heartbeat"]

# A last beat is old after so many intervals, and waited for in vain during so many.
GRACE, _WATCHED = 4, 2


class BeatWatch:
    """Which workers are dead: their last beat is old, and this process has waited in vain for the next one.

    The second condition keeps the workers of a database that was away for a while from taking each other for dead.

    Args:
        interval_s: from a beat to the next.

    >>> watch = BeatWatch(10.0)
    >>> beats = {7: (datetime(2026, 1, 1), 50.0, "host:1:ab")}
    >>> watch.dead(beats, now=100.0), list(watch.dead(beats, now=120.0))
    ({}, [7])
    """

    def __init__(self, interval_s: float) -> None:
        self._grace_s, self._watched_s = GRACE * interval_s, _WATCHED * interval_s
        self._first_seen: dict[int, tuple[datetime, float]] = {}

    def forget(self) -> None:
        """The database did not answer: all waiting starts anew."""
        self._first_seen.clear()

    def dead(self, beats: Mapping[int, tuple[datetime, float, str]], now: float | None = None) -> dict[int, datetime]:
        """Trials of dead workers -> their last beat.

        Args:
            beats: of `TrialQueue.beats`, just read.
            now: seconds of a clock that only goes forward.
        """
        now = time.monotonic() if now is None else now
        seen = {}
        for trial_id, (beat, _, _) in beats.items():
            before = self._first_seen.get(trial_id)
            seen[trial_id] = before if before is not None and before[0] == beat else (beat, now)
        self._first_seen = seen
        return {
            trial_id: beat
            for trial_id, (beat, age_s, _) in beats.items()
            if age_s > self._grace_s and now - seen[trial_id][1] >= self._watched_s
        }


class Heartbeat:
    """Beats for a worker within a block, and gives back the trials of workers that are dead.

    Args:
        database: the study's.
        queue: this worker's.
        interval_s: from a beat to the next.
        max_retries: deaths of a trial's workers beyond which it is pruned.
        say: called with a line on each dead worker.

    Attributes:
        lost: the trial that this worker beats for was taken from it, or its result could not be kept.
    """

    def __init__(
        self,
        database: StudyDatabase,
        queue: TrialQueue,
        interval_s: float,
        max_retries: int,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._database, self._queue, self._say = database, queue, say
        self._interval_s, self._max_retries = interval_s, max_retries
        self._watch = BeatWatch(interval_s)
        self._trial_id: int | None = None
        self.lost = False
        self._error: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=self._interval_s)

    def beat_for(self, trial_id: int | None) -> None:
        """Beat for this trial from now on; None for no trial. Its first beat came with the claim."""
        self.lost = False
        self._trial_id = trial_id

    def living(self) -> dict[int, tuple[datetime, float, str]]:
        """Running trials as in `TrialQueue.beats`, after those of dead workers have been given back."""
        beats = self._queue.beats()
        for trial_id, last_beat in self._watch.dead(beats).items():
            if self._queue.take_from_dead(trial_id, last_beat, self._max_retries):
                self._say(f"the worker {beats[trial_id][2]} is dead; its trial is to be done by another")
                del beats[trial_id]
        return beats

    def require_beating(self) -> None:
        """That no error has ended the beats.

        Raises:
            DatabaseError: the database cannot be used any more.
        """
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            wait = 0.1
            while not self._ended.is_set():
                try:
                    self._beat_and_watch()
                    break
                except Exception as error:
                    self._watch.forget()
                    try:
                        self._database.require_passing(error)
                    except Exception as final:  # the worker leaves its trial, and meets the error after it
                        self._error, self.lost = final, True
                        return
                    self._ended.wait(wait)
                    wait = min(2 * wait, self._interval_s)

    def _beat_and_watch(self) -> None:
        trial_id = self._trial_id
        if trial_id is not None and not self._queue.beat(trial_id) and trial_id == self._trial_id:
            self.lost = True
        self.living()
