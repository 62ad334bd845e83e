"""Signals that tell a training to save and leave."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from cnn_mellin.errors import UserError

__all__ = ["EXIT_STATUS", "StopSignals", "TrainingInterrupted"]

# EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on later.
EXIT_STATUS = 75


class TrainingInterrupted(UserError):  # noqa: N818 (nothing went wrong)
    """A training was told to stop, and has saved all that it needs to go on."""


class StopSignals:
    """Takes note of SIGTERM and SIGUSR1 (what Slurm sends before it takes a machine back) within a block.

    The main thread alone can use it.

    Attributes:
        received: name of the first signal that came, or None.

    >>> with StopSignals() as signals:
    ...     signals.received is None
    True
    """

    def __init__(self) -> None:
        self.received: str | None = None
        names = ("SIGTERM", "SIGUSR1")  # the second is not everywhere
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
