"""Record of audio that was read without a fault, so that it need not be read again to know it.

Records are kept per machine in the user's cache folder: `$XDG_CACHE_HOME/cnn-mellin/audio`, or
`~/.cache/cnn-mellin/audio`. An entry is found by the state of its file (size, times, inode, device), and so no longer
once the file has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnn_mellin.atomic import atomic_file
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.verified_files import State, cache_folder, delete_oldest, files_state, is_settled

__all__ = ["AudioRecord", "CheckedAudio"]

_MOST_RECORDS = 256
_ENTRY = np.dtype(
    [("key", "V16"), ("digest", "V32"), ("num_samples", "<i8"), ("sample_rate_hz", "<i4"), ("num_channels", "<i4")]
)


class CheckedAudio(NamedTuple):
    """Audio of an utterance that was read without a fault.

    Args:
        digest: SHA-256 digest of its samples.
        num_samples: number of samples of one channel, before resampling.
        sample_rate_hz, num_channels: sample rate and number of channels of the file.
    """

    digest: bytes
    num_samples: int
    sample_rate_hz: int
    num_channels: int

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.num_samples / self.sample_rate_hz


class AudioRecord:
    """Record of checked audio; as a context manager, it reads the record and writes it at the end, also after errors.

    Args:
        what: partition, and how its audio is read, which name the record.
        anew: do not use what was recorded before.

    >>> record = AudioRecord("partition train of corpus, at 16000 Hz")
    >>> record.entry(Utterance("a", "mary", Path("no such file.wav"), ()))
    """

    def __init__(self, what: str, *, anew: bool = False) -> None:
        self._what, self._anew = what, anew
        self._stored: dict[bytes, CheckedAudio] = {}
        self._used: dict[bytes, CheckedAudio] = {}
        self._states: dict[Path, State | None] = {}
        self._keys: dict[str, bytes] = {}

    def __enter__(self) -> AudioRecord:
        with contextlib.suppress(OSError, RuntimeError, ValueError, EOFError):
            with open(self._path(), "rb") as file:
                entries = np.load(file, allow_pickle=False)
            if entries.dtype == _ENTRY:
                self._stored = {
                    bytes(key): CheckedAudio(bytes(digest), *map(int, rest)) for key, digest, *rest in entries.tolist()
                }
        return self

    def __exit__(self, *_error: object) -> None:
        if self._used == self._stored:
            return
        with contextlib.suppress(OSError, RuntimeError):  # no cache or home folder: read each time
            path = self._path()
            path.parent.mkdir(parents=True, exist_ok=True)
            entries = np.array([(key, *audio) for key, audio in sorted(self._used.items())], dtype=_ENTRY)
            with atomic_file(path, "wb") as file:
                np.save(file, entries)
            delete_oldest(path.parent, "*.npy", _MOST_RECORDS)

    def entry(self, utterance: Utterance) -> CheckedAudio | None:
        """Entry of an utterance whose file has not changed since; None if there is none. Call it before reading."""
        path = utterance.audio_path
        if path not in self._states:
            self._states[path] = None
            with contextlib.suppress(OSError, ValueError):
                self._states[path] = files_state(path.parent, [path.name])
        state = self._states[path]
        if state is None:
            return None
        place = os.path.abspath(path), utterance.start_s, utterance.end_s
        key = hashlib.sha256(repr((place, state)).encode("utf-8", "surrogateescape")).digest()[:16]
        found = None if self._anew else self._stored.get(key)
        if found is not None:
            self._used[key] = found
        elif is_settled(state):
            self._keys[utterance.utterance_id] = key
        return found

    def remember(self, utterance: Utterance, audio: CheckedAudio) -> None:
        """Record the audio of an utterance that was read after `entry` had found none."""
        key = self._keys.pop(utterance.utterance_id, None)
        if key is not None:
            self._used[key] = audio

    def _path(self) -> Path:
        """File of the record, named by machine, as machines may share a home folder but not their disks."""
        name = hashlib.sha256(repr((platform.node(), self._what)).encode("utf-8", "surrogateescape")).hexdigest()
        return cache_folder("audio") / f"{name[:32]}.npy"
