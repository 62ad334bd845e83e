"""What is raised when the user's input is wrong.

Every message is one line that holds what was wrong (a file and line, or an argument), its value, the rule and
the remedy. The command line prints it and exits with status 2.
"""

from __future__ import annotations

from os import PathLike

__all__ = ["AudioError", "CorpusError", "DataError", "SettingsError", "UserError"]


class UserError(Exception):
    """Something that the user can mend; its text is one complete line."""


class SettingsError(UserError):
    """A settings file or argument breaks a rule."""


class DataError(UserError):
    """A data directory, model folder or transcript is not what it should be."""


class CorpusError(UserError):
    """A corpus file is wrong.

    Args:
        path: the file or folder.
        line: its line, counted from 1, or None where the file is wrong as a whole.
        why: the value, the rule and the remedy.

    >>> str(CorpusError("a/sx1.phn", 3, "begins at 40, before 60, where the last phone ends"))
    'a/sx1.phn:3: begins at 40, before 60, where the last phone ends'
    """

    def __init__(self, path: str | PathLike[str], line: int | None, why: str) -> None:
        self.path, self.line, self.why = path, line, why
        super().__init__(f"{path}: {why}" if line is None else f"{path}:{line}: {why}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.path, self.line, self.why)


class AudioError(CorpusError):
    """An audio file cannot be read, or is not what its header says."""

    def __init__(self, path: str | PathLike[str], why: str) -> None:
        super().__init__(path, None, why)

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.path, self.why)
