"""Record of files that have been verified, by their state, so that they are not read again for that.

Records are kept in the user's cache folder: `$XDG_CACHE_HOME/cnn-mellin/verified`, or `~/.cache/cnn-mellin/verified`.
They hold on every machine that has this folder and sees the files in the same state, such as the nodes of a cluster. If
it cannot be written, files are verified each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from cnn_mellin.atomic import atomic_file

__all__ = [
    "State",
    "cache_folder",
    "delete_oldest",
    "files_state",
    "forget_verified",
    "is_settled",
    "is_verified",
    "remember_verified",
    "remember_written",
]

State = list[list[int]]

_MOST_RECORDS = 4096
_NANOSECONDS = 1_000_000_000
# A file can change without a change of its time within one tick of the file system's clock. Linux ticks at 100 Hz or
# faster; file systems that count in steps of one or two seconds are recognised by times without a fraction.
_TICK_NS, _COARSE_TICK_NS = 20_000_000, 2 * _NANOSECONDS


def files_state(folder: Path, names: Sequence[str]) -> State:
    """State of each file (size, times of change, inode, device), which changes if it is written or replaced.

    Raises:
        OSError: a file is missing.
    """
    about = [(folder / name).stat() for name in names]
    return [[file.st_size, file.st_mtime_ns, file.st_ctime_ns, file.st_ino, file.st_dev] for file in about]


def is_verified(folder: Path, state: State) -> bool:
    """Return True if the files of a folder were verified in this state, on this machine or one with the same cache."""
    try:
        return bool(json.loads(_record(folder, state).read_text(encoding="utf-8"))["state"] == _everywhere(state))
    except (OSError, RuntimeError, ValueError, KeyError, TypeError):
        return False


def remember_verified(folder: Path, state: State) -> None:
    """Record that the files of a folder have been verified.

    Args:
        folder: folder of the files.
        state: state of the files before they were read, from `files_state`. A state so recent that the next change
            might not alter it is not recorded.
    """
    if not is_settled(state):
        return
    with contextlib.suppress(OSError, RuntimeError):  # no cache or home folder: verify each time
        record = _record(folder, state)
        record.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(record) as file:
            json.dump({"folder": str(folder), "state": _everywhere(state)}, file)
        delete_oldest(record.parent, "*.json", _MOST_RECORDS)


def remember_written(folder: Path, names: Sequence[str]) -> None:
    """Record files as verified that this process has just written, once any later change alters their state.

    This waits for up to 20 milliseconds. On a file system with coarser times nothing is recorded.
    """
    with contextlib.suppress(OSError):
        state = files_state(folder, names)
        latest = max(changed for _, *times, _, _ in state for changed in times)
        time.sleep(min(max(latest + _TICK_NS - time.time_ns(), 0), _TICK_NS) / _NANOSECONDS)
        remember_verified(folder, state)


def is_settled(state: State) -> bool:
    """Return True if the files are so old that any later change alters their state."""
    now = time.time_ns()
    return all(now - changed >= _tick_ns(changed) for _, *times, _, _ in state for changed in times)


def forget_verified(folder: Path, state: State) -> None:
    """Delete the record that the files of a folder have been verified in this state."""
    with contextlib.suppress(OSError, RuntimeError):
        _record(folder, state).unlink(missing_ok=True)


def _record(folder: Path, state: State) -> Path:
    """File of the record, named by folder and state, as machines may share a home folder but not their disks."""
    name = hashlib.sha256(repr((os.path.realpath(folder), _everywhere(state))).encode()).hexdigest()
    return cache_folder("verified") / f"{name[:32]}.json"


def _everywhere(state: State) -> State:
    """State without the device, whose number differs between the machines that mount a file system."""
    return [[size, modified, changed, inode] for size, modified, changed, inode, _ in state]


def cache_folder(name: str) -> Path:
    """Folder of this name in the user's cache; it need not exist.

    Raises:
        RuntimeError: the user has no home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    return cache / "cnn-mellin" / name


def _tick_ns(changed_ns: int) -> int:
    return _TICK_NS if changed_ns % _NANOSECONDS else _COARSE_TICK_NS


def delete_oldest(folder: Path, pattern: str, most: int) -> None:
    """Delete the older half of the files that a pattern matches if there are more than `most`."""
    found = list(folder.glob(pattern))
    if len(found) > most:
        for record in sorted(found, key=lambda path: path.stat().st_mtime_ns)[: len(found) // 2]:
            record.unlink(missing_ok=True)
