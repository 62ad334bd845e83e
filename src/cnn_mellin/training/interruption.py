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
        with_interrupt: note SIGINT, too: a launcher of several processes passes Ctrl-C on to each of them.

    Attributes:
        received: name of the first signal received, or None.

    >>> with StopSignals() as signals:
    ...     signals.received is None
    True
    """

    def __init__(self, *, with_interrupt: bool = False) -> None:
        self.received: str | None = None
        names = ["SIGTERM", "SIGUSR1"]  # Windows has no SIGUSR1
        if with_interrupt:
            names.append("SIGINT")
        self._signals = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number).name
