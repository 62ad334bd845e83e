"""A watch over an open SQLite file: whether it is still the one at its path."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

__all__ = ["SqliteFile"]


class SqliteFile:
    """Watches over a database file, and the `-wal` and `-shm` beside it, while it is open.

    A process that has a file open keeps it when it is deleted or replaced, and all that it writes is lost silently.
    This object keeps a connection open, as SQLite itself deletes `-wal` and `-shm` with the last connection. It never
    opens the file in any other way: closing it would drop the locks that SQLite holds for this process.

    Args:
        path: path of the file, which must exist.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.db")
    ...     sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close()
    ...     watched = SqliteFile(path)
    ...     before = watched.fault()
    ...     path.unlink()
    ...     before, watched.fault()
    ...     watched.close()
    (None, 'a.db was deleted or moved')
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(self._path, timeout=60, check_same_thread=False)
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # opens -wal and -shm
        self._size = self._path.stat().st_size
        files = [self._path, *(Path(f"{self._path}{suffix}") for suffix in ("-wal", "-shm"))]
        self._opened = {file: found for file in files if (found := _identity(file)) is not None}

    def fault(self) -> str | None:
        """Phrase that says how the files were deleted, replaced or cut; None if they are whole."""
        for file, opened in self._opened.items():
            now = _identity(file)
            if now is None:
                return f"{file.name} was deleted or moved"
            if now != opened:
                return f"another file has taken the place of {file.name}"
        size = self._path.stat().st_size
        if size < self._size and size < self._least_size():
            return f"{self._path.name} was cut from {self._size} to {size} bytes"
        self._size = size
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _least_size(self) -> int:
        """Size of the database in bytes according to SQLite, which VACUUM lowers."""
        try:
            with self._lock:
                pages = self._connection.execute("PRAGMA page_count").fetchall()[0][0]
                return int(pages) * int(self._connection.execute("PRAGMA page_size").fetchall()[0][0])
        except sqlite3.Error:
            return self._size


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
