from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy (the extra search) is not installed")

from cnn_mellin.search.database_url import (
    DatabaseError,
    network_file_system,
    read_password_file,
    resolve_database_url,
    shown_url,
)
from cnn_mellin.search.storage import StudyDatabase


def test_urls_of_the_recipe_are_accepted(tmp_path):
    assert resolve_database_url("postgresql+pg8000://optuna@localhost/optim").drivername == "postgresql+pg8000"
    (tmp_path / ".my.cnf").write_text("[client]\nhost=localhost\n")
    url = resolve_database_url(f"mysql+pymysql:///db1?read_default_file={tmp_path}/.my.cnf")
    assert (url.drivername, url.database) == ("mysql+pymysql", "db1")


@pytest.mark.parametrize("url", ["postgresql://me:secret@host/name", "mysql+pymysql://host/name?password=secret"])
def test_a_password_on_the_command_line_is_refused_and_not_repeated(url):
    with pytest.raises(DatabaseError, match="all users of a machine can read command lines") as error:
        resolve_database_url(url)
    assert "secret" not in str(error.value)


def test_a_variable_or_a_file_may_hold_a_password(monkeypatch, tmp_path):
    monkeypatch.setenv("STUDIES", "postgresql://me:secret@host/name")
    (tmp_path / "url").write_text("postgresql://me:secret@host/name\n")
    for given in ("env:STUDIES", f"file:{tmp_path}/url"):
        url = resolve_database_url(given)
        assert url.password == "secret"
        assert shown_url(url) == "postgresql+psycopg://me@host/name"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", "is not a database URL"),
        ("oracle://host/name", "'oracle' are not known"),
        ("sqlite://", "names no file"),
        ("sqlite:////no/such/folder/a.db", "the folder /no/such/folder does not exist"),
        ("postgresql://me@host", "names no database"),
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
        ("file:/no/such/file", "/no/such/file: does not exist; expected a database URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_reported_with_a_remedy(given, message):
    with pytest.raises(DatabaseError, match=message):
        resolve_database_url(given)


def test_sqlite_on_a_network_file_system_is_refused(monkeypatch, tmp_path):
    assert network_file_system(Path("/data/a.db"), "host:/x /data nfs4 rw 0 0\n/dev/a / ext4 rw 0 0") == "nfs4"
    assert network_file_system(Path("/local/a.db"), "host:/x /data nfs4 rw 0 0\n/dev/a / ext4 rw 0 0") is None
    monkeypatch.setattr("cnn_mellin.search.database_url.network_file_system", lambda path: "nfs4")
    with pytest.raises(DatabaseError, match=r"network file system \(nfs4\), where SQLite's locks do not hold"):
        resolve_database_url(f"sqlite:///{tmp_path}/a.db")


def test_a_password_file_is_read_only_if_no_other_user_can_read_it(monkeypatch, tmp_path):
    path = tmp_path / "pgpass"
    path.write_text("# mine\nother:*:*:*:wrong\nhost:5432:*:me:se\\:cret\n")
    monkeypatch.setenv("PGPASSFILE", str(path))
    url = resolve_database_url("postgresql+pg8000://me@host/name")
    path.chmod(0o600)
    assert read_password_file(url) == "se:cret"
    path.chmod(0o644)
    assert read_password_file(url) is None


def test_a_file_without_a_study_is_named(tmp_path):
    with pytest.raises(DatabaseError, match="there is no such file"):
        StudyDatabase(resolve_database_url(f"sqlite:///{tmp_path}/a.db"))
    (tmp_path / "a.db").write_text("not a database, but long enough to be looked at " * 30)
    with pytest.raises(DatabaseError, match="cannot be used"):
        StudyDatabase(resolve_database_url(f"sqlite:///{tmp_path}/a.db"))
