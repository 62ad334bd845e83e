"""`python reaper.py COMMAND...`: runs a daemon, adopts the processes that it leaves behind, and ends after the last.

slurmd detaches the slurmstepd of each job, so that nobody would wait for them. SIGTERM ends the daemon; processes that
still run after 20 s are killed and named on standard error. Exit status: 0 if none had to be killed, 1 otherwise.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_S = 20.0


def main(command: list[str]) -> int:
    """Run a daemon until SIGTERM; returns the exit status."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl: this process cannot adopt others")
    signal.signal(signal.SIGTERM, lambda _signal, _frame: None)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    daemon = subprocess.Popen(command, preexec_fn=_unblock)
    while signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGCHLD:
        _reap()
    daemon.terminate()
    until = time.monotonic() + _PATIENCE_S
    while _reap() and time.monotonic() < until:
        time.sleep(0.05)
    status = 0
    while _reap():  # children of a killed process become children of this one, and are killed next
        for number, name in _children().items():
            print(f"{' '.join(command)}: killed {name} ({number}), which it left behind", file=sys.stderr, flush=True)
            os.kill(number, signal.SIGKILL)
            status = 1
        time.sleep(0.05)
    return status


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})


def _reap() -> bool:
    """Collect children that have ended; True while others run."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> dict[int, str]:
    """Processes whose parent is this one: number -> name."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = path.read_text().partition(" (")
        except OSError:  # it has just ended
            continue
        name, _, fields = rest.rpartition(") ")
        if int(fields.split()[1]) == os.getpid():
            found[int(number)] = name
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
