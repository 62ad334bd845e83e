"""A worker's heartbeat, and its watch over the other workers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType

from cnn_mellin.search.storage import StudyDatabase
from cnn_mellin.search.trial_queue import TrialQueue

__all__ = ["GRACE", "BeatWatch", "Heartbeat"]

_logger = logging.getLogger(__name__)
# Intervals after which a last heartbeat is old, and for which this process waits for the next one before it gives up.
GRACE, _WATCHED = 4, 2


class BeatWatch:
    """Finds dead workers: their last heartbeat is old, and this process has waited in vain for the next one.

    Without the second condition, workers would take each other for dead after the database was down.

    Args:
        interval_s: interval between heartbeats, in seconds.

    >>> watch = BeatWatch(10.0)
    >>> beats = {7: (datetime(2026, 1, 1), 50.0, "host:1:ab")}
    >>> watch.dead(beats, now=100.0), list(watch.dead(beats, now=120.0))
    ({}, [7])
    """

    def __init__(self, interval_s: float) -> None:
        self._grace_s, self._watched_s = GRACE * interval_s, _WATCHED * interval_s
        self._first_seen: dict[int, tuple[datetime, float]] = {}

    def forget(self) -> None:
        """Restart all waiting, as the database did not answer."""
        self._first_seen.clear()

    def dead(self, beats: Mapping[int, tuple[datetime, float, str]], now: float | None = None) -> dict[int, datetime]:
        """Trials of dead workers -> time of their last heartbeat.

        Args:
            beats: result of `TrialQueue.beats`, just read.
            now: seconds of a monotonic clock; by default the time of this call.
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
    """Sends heartbeats of a worker from a thread within a `with` block, and hands back the trials of dead workers.

    Args:
        database: database of the study.
        queue: queue of this worker.
        interval_s: interval between heartbeats, in seconds.
        max_retries: number of failures of a trial beyond which it is pruned.

    Attributes:
        lost: the running trial was taken from this worker, or its result could not be kept.
    """

    def __init__(self, database: StudyDatabase, queue: TrialQueue, interval_s: float, max_retries: int) -> None:
        self._database, self._queue = database, queue
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
        """Send heartbeats for this trial from now on, or for none. The claim itself was its first heartbeat."""
        self.lost = False
        self._trial_id = trial_id

    def living(self) -> dict[int, tuple[datetime, float, str]]:
        """Hand back the trials of dead workers; the other running trials, as in `TrialQueue.beats`."""
        beats = self._queue.beats()
        for trial_id, last_beat in self._watch.dead(beats).items():
            if self._queue.take_from_dead(trial_id, last_beat, self._max_retries):
                _logger.warning("the worker %s is dead; another worker will run its trial", beats[trial_id][2])
                del beats[trial_id]
        return beats

    def require_beating(self) -> None:
        """Check that no error has ended the heartbeats.

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
                    except Exception as final:  # the worker leaves its trial, and require_beating raises this error
                        self._error, self.lost = final, True
                        return
                    self._ended.wait(wait)
                    wait = min(2 * wait, self._interval_s)

    def _beat_and_watch(self) -> None:
        trial_id = self._trial_id
        if trial_id is not None and not self._queue.beat(trial_id) and trial_id == self._trial_id:
            self.lost = True
        self.living()
