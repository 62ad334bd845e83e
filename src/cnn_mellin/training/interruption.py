"""Signals that ask a training to save its state and end."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from cnn_mellin.errors import UserError

__all__ = ["EXIT_STATUS", "StopSignals", "TrainingInterrupted"]

# EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command resumes later.
EXIT_STATUS = 75


class TrainingInterrupted(UserError):  # noqa: N818 (nothing went wrong)
    """A training was told to stop, and has saved all that it needs to resume."""


class StopSignals:
    """Notes SIGTERM and SIGUSR1 (which Slurm can send before it ends a job) within a block.

    Only the main thread can use it.

    Args:
        of_several: this process is one of several that a launcher has started. Then SIGINT is noted, too, as the
            launcher passes Ctrl-C on to each; and once an error has ended the block, SIGTERM is ignored: the launcher
            ends all processes when one has failed, but this one says first what is wrong.

    Attributes:
        received: name of the first signal received, or None.

    >>> with StopSignals() as signals:
    ...     signals.received is None
    True
    """

    def __init__(self, *, of_several: bool = False) -> None:
        self.received: str | None = None
        self._of_several = of_several
        names = ["SIGTERM", "SIGUSR1"]  # Windows has no SIGUSR1
        if of_several:
            names.append("SIGINT")
        self._signals = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._of_several and isinstance(error, Exception):
            self._before[signal.SIGTERM] = signal.SIG_IGN  # at once: the default in between would end it in silence
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number).name
