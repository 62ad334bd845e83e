import os
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from cnn_mellin.search.sqlite_file import SqliteFile


@pytest.fixture
def path(tmp_path) -> Path:
    """A database in WAL mode whose pages are all in the file itself."""
    made = tmp_path / "data" / "a.db"
    made.parent.mkdir()
    connection = sqlite3.connect(made)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,) for _ in range(100)])
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return made


def replace(path: Path) -> None:
    shutil.copy(path, path.with_name("other"))
    os.replace(path.with_name("other"), path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (Path.unlink, "a.db was deleted or moved"),
        (replace, "another file has taken the place of a.db"),
        (lambda path: os.truncate(path, 0), r"a.db was cut from \d+ to 0 bytes"),
        (lambda path: os.truncate(path, 8192), r"a.db was cut from \d+ to 8192 bytes"),
        (lambda path: Path(f"{path}-wal").unlink(), "a.db-wal was deleted or moved"),
        (lambda path: Path(f"{path}-shm").unlink(), "a.db-shm was deleted or moved"),
        (lambda path: path.parent.rename(path.parent.with_name("moved")), "a.db was deleted or moved"),
    ],
    ids=["deleted", "replaced", "emptied", "cut", "wal", "shm", "folder moved"],
)
def test_a_change_behind_an_open_file_is_noticed(path, change, fault):
    watched = SqliteFile(path)
    assert watched.fault() is None
    change(path)
    found = watched.fault()
    assert found is not None
    assert re.fullmatch(fault, found)
    watched.close()


def test_changes_by_sqlite_itself_are_no_fault(path):
    watched = SqliteFile(path)
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM t WHERE rowid > 3")
    assert watched.fault() is None
    other.execute("VACUUM")
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    other.close()
    assert size < 50_000
    assert watched.fault() is None
    watched.close()
