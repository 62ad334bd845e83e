"""The address of a study's database: its forms, its checks, and how it is shown without a password."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cnn_mellin.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

__all__ = ["DatabaseError", "network_file_system", "read_password_file", "resolve_database_url", "shown_url"]

_FORMS = (
    "sqlite:///FILE, postgresql+psycopg://USER@HOST/NAME, postgresql+pg8000://USER@HOST/NAME, "
    "mysql+pymysql:///NAME?read_default_file=FILE, env:VARIABLE or file:PATH"
)
_REMEDY = "put the URL into a variable (env:NAME) or a file (file:PATH), or use PGPASSFILE or ?read_default_file=FILE"
# What SQLAlchemy takes where the driver is left open is not installed with this package.
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
_KNOWN = ("sqlite", "postgresql+psycopg", "postgresql+pg8000", "mysql+pymysql")
_SECRET_KEYS = ("password", "passwd", "sslpassword")
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"),
    *("pvfs2", "orangefs", "panfs", "wekafs", "davfs", "sshfs", "s3fs", "gcsfuse", "moosefs", "cvmfs", "quobyte"),
}


class DatabaseError(UserError):
    """A database cannot be used, or holds no such study."""


def resolve_database_url(given: str) -> URL:
    """The URL that an argument stands for, checked as far as that needs no connection.

    Args:
        given: a URL, `env:VARIABLE` or `file:PATH` (whose first line is the URL).

    Raises:
        DatabaseError: the form is not known, a password stands on the command line, or it is an SQLite file in
            memory, in no folder, or on a network file system.

    >>> resolve_database_url("postgresql://me@host/name").drivername
    'postgresql+psycopg'
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    text, place, secret = _text_of(given)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # its words may hold the password
        raise DatabaseError(f"{place}: is no database URL; expected {_FORMS}") from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername not in _KNOWN:
        raise DatabaseError(f"{place}: databases of kind {url.drivername!r} are not known; expected {_FORMS}")
    if not secret and (url.password or any(key in url.query for key in _SECRET_KEYS)):
        raise DatabaseError(
            f"{shown_url(url)}: the URL holds a password, and all users of a machine can read command lines; {_REMEDY}"
        )
    if url.drivername == "sqlite":
        _check_file(url)
    elif not url.database:
        raise DatabaseError(f"{shown_url(url)}: names no database; expected {_FORMS}")
    return url


def shown_url(url: URL) -> str:
    """A URL as it may be shown: without passwords.

    >>> from sqlalchemy.engine import make_url
    >>> shown_url(make_url("postgresql://me:secret@host/name?sslpassword=x"))
    'postgresql://me@host/name'
    """
    return url._replace(password=None).difference_update_query(_SECRET_KEYS).render_as_string(hide_password=False)


def network_file_system(path: Path, mounts: str | None = None) -> str | None:
    """The type of the network file system that a path lies on, or None where it is a local one or not known.

    Args:
        path: a file or folder.
        mounts: text of `/proc/mounts`; by default that of this machine.

    >>> network_file_system(Path("/home/me/a.db"), "server:/home /home nfs4 rw 0 0")
    'nfs4'
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    resolved = path.resolve()
    best, found = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if resolved.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), fields[2]
    kind = found.removeprefix("fuse.")
    return kind if kind in _NETWORK else None


def read_password_file(url: URL) -> str | None:
    """The password for a PostgreSQL URL in `PGPASSFILE` (by default `~/.pgpass`), for drivers that do not look there.

    Lines are `host:port:database:user:password`; `*` stands for anything, a backslash takes the meaning from a colon,
    and the first line that fits counts. A file that others may read is not read, as libpq does.
    """
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    wanted = (url.host or "localhost", str(url.port or 5432), url.database or "", url.username or "")
    try:
        if path.stat().st_mode & 0o077:
            return None
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        fields = _split_escaped(line)
        if len(fields) == 5 and all(f in ("*", w) for f, w in zip(fields[:4], wanted, strict=True)):
            return fields[4]
    return None


def _split_escaped(line: str) -> list[str]:
    if line.startswith("#"):
        return []
    fields: list[str] = []
    current, escaped = "", False
    for character in line:
        if escaped or character not in "\\:":
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif len(fields) < 4:
            fields.append(current)
            current = ""
        else:
            current += character
    return [*fields, current]


def _text_of(given: str) -> tuple[str, str, bool]:
    """The URL, how messages name it, and whether it may hold a password."""
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        if not os.environ.get(name):
            raise DatabaseError(f"{given}: the environment variable {name} is not set; export it as a database URL")
        return os.environ[name].strip(), given, True
    if given.startswith("file:"):
        path = given.removeprefix("file:")
        try:
            lines = Path(path).read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise DatabaseError(f"{given}: cannot be read ({reason}); its first line must be a database URL") from None
        if not lines:
            raise DatabaseError(f"{given}: is empty; its first line must be a database URL")
        return lines[0], given, True
    return given, "the database URL", False


def _check_file(url: URL) -> None:
    if url.database in (None, "", ":memory:") or url.query:
        raise DatabaseError(f"{shown_url(url)}: names no file, so that the study would be lost; use sqlite:///FILE")
    path = Path(str(url.database))
    if not path.absolute().parent.is_dir():
        raise DatabaseError(f"{shown_url(url)}: the folder {path.parent} does not exist; make it first")
    kind = network_file_system(path)
    if kind is not None:
        raise DatabaseError(
            f"{shown_url(url)}: the file is on a network file system ({kind}), where SQLite's locks do not hold and "
            "studies are damaged; use a local disk of one machine, or PostgreSQL or MySQL for several"
        )
