"""Exceptions for faulty user input.

Every message is one line: the file and line (or the argument), the value, the rule, and the remedy. The command line
prints it and exits with status 2.
"""

from __future__ import annotations

from os import PathLike

__all__ = [
    "AudioError",
    "CorpusError",
    "DataError",
    "OtherProcessError",
    "ProcessLostError",
    "SettingsError",
    "UserError",
]


class UserError(Exception):
    """Base class of the errors that a user can fix; the message is one complete line."""


class SettingsError(UserError):
    """A settings file, a setting or an argument is not valid."""


class ProcessLostError(UserError):
    """Another process that computes with this one has ended, or its machine cannot be reached."""


class OtherProcessError(Exception):
    """Another process that computes with this one failed, and says why; this one ends without a word.

    Args:
        text: message of the other process's error.
        is_user_error: the other process's error is a UserError.
    """

    def __init__(self, text: str, *, is_user_error: bool) -> None:
        super().__init__(text)
        self.is_user_error = is_user_error


class DataError(UserError):
    """A data directory, model folder or transcript is missing, damaged or inconsistent."""


class CorpusError(UserError):
    """A corpus file is missing or not valid.

    Args:
        path: file or folder.
        line: line number, counted from 1, or None if the fault is not in one line.
        why: rest of the message: the value, the rule and the remedy.

    >>> str(CorpusError("a/sx1.phn", 3, "phone 's' begins at sample 40, before the previous one ends (60)"))
    "a/sx1.phn:3: phone 's' begins at sample 40, before the previous one ends (60)"
    """

    def __init__(self, path: str | PathLike[str], line: int | None, why: str) -> None:
        self.path, self.line, self.why = path, line, why
        super().__init__(f"{path}: {why}" if line is None else f"{path}:{line}: {why}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.path, self.line, self.why)


class AudioError(CorpusError):
    """An audio file cannot be read, or contradicts its header."""

    def __init__(self, path: str | PathLike[str], why: str) -> None:
        super().__init__(path, None, why)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.path, self.why)
