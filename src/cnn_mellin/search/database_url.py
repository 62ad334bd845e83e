"""The URL of a study's database: its forms, its checks, and how to show it without a password."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from cnn_mellin.errors import UserError
from cnn_mellin.formats.text_file import read_lines, read_text
from cnn_mellin.search.database_options import holds_secret, option_fault, shown_options

__all__ = ["DatabaseError", "network_file_system", "read_password_file", "resolve_database_url", "shown_url"]

_FORMS = (
    "sqlite:///FILE, postgresql+psycopg://USER@HOST/NAME, postgresql+pg8000://USER@HOST/NAME, "
    "mysql+pymysql:///NAME?read_default_file=FILE, env:VARIABLE or file:PATH"
)
_REMEDY = "put the URL into a variable (env:NAME) or a file (file:PATH), or use PGPASSFILE or ?read_default_file=FILE"
# SQLAlchemy's default drivers are not installed with this package.
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "sqlite+pysqlite": "sqlite",
}
_KNOWN = ("sqlite", "postgresql+psycopg", "postgresql+pg8000", "mysql+pymysql")
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"),
    *("pvfs2", "orangefs", "panfs", "wekafs", "davfs", "sshfs", "s3fs", "gcsfuse", "moosefs", "cvmfs", "quobyte"),
}


class DatabaseError(UserError):
    """A database cannot be used, or does not have the study that is asked for."""


def resolve_database_url(given: str) -> URL:
    """Find and check the URL of a database, without connecting to it.

    Args:
        given: a URL, `env:VARIABLE` or `file:PATH` (a file whose first line is the URL).

    Raises:
        DatabaseError: the URL has an unknown form, contains a password although it was given directly, or names an
            SQLite database in memory, in a folder that does not exist, or on a network file system.

    >>> resolve_database_url("postgresql://me@host/name").drivername
    'postgresql+psycopg'
    """
    text, place, secret = _text_of(given)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # its message may contain the password
        raise DatabaseError(f"{place}: is not a database URL; expected {_FORMS}") from None
    if not text.isprintable() or "@" in (url.host or ""):
        escape = "write %40 for an @ in a password"
        raise DatabaseError(f"{place}: has characters that a URL must not have; {escape}; expected {_FORMS}")
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername not in _KNOWN:
        raise DatabaseError(f"{place}: databases of kind {url.drivername!r} are not known; expected {_FORMS}")
    if not secret and holds_secret(url):
        raise DatabaseError(
            f"{shown_url(url)}: the URL holds a password, and all users of a machine can read command lines; {_REMEDY}"
        )
    if url.drivername == "sqlite":
        _check_file(url, text)
        return url
    if url.port is not None and not 0 < url.port < 65536:
        raise DatabaseError(f"{shown_url(url)}: port {url.port} must lie in 1..65535")
    fault = option_fault(text, url)
    if fault is not None:
        raise DatabaseError(f"{shown_url(url)}: {fault}")
    if not url.database:
        raise DatabaseError(f"{shown_url(url)}: names no database; expected {_FORMS}")
    return url


def shown_url(url: URL) -> str:
    """A URL for messages: without its password, and with option values masked that may be secret.

    >>> from sqlalchemy.engine import make_url
    >>> shown_url(make_url("postgresql://me:secret@host/name?sslmode=require&sslpassword=x"))
    'postgresql://me@host/name?sslmode=require&sslpassword=***'
    """
    bare = url._replace(password=None).set(query={}).render_as_string(hide_password=False)
    return bare + shown_options(url)


def network_file_system(path: Path, mounts: str | None = None) -> str | None:
    """The type of the network file system that holds a path; None if it is local or not known.

    Args:
        path: file or folder.
        mounts: content of `/proc/mounts`; by default this machine's.

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
    """Password for a PostgreSQL URL from `PGPASSFILE` (by default `~/.pgpass`), for drivers that do not read it.

    Lines are `host:port:database:user:password`. `*` matches anything, a backslash escapes a colon, and the first
    matching line counts. As in libpq, a file that other users may access is ignored.
    """
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    wanted = (url.host or "localhost", str(url.port or 5432), url.database or "", url.username or "")
    try:
        if path.stat().st_mode & 0o077:
            return None
        lines = read_lines(path)
    except (OSError, UserError):
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
    """The URL, its name in messages, and whether it may contain a password."""
    if given.startswith("env:"):
        name = given.removeprefix("env:")
        if not os.environ.get(name):
            raise DatabaseError(f"{given}: the environment variable {name} is not set; export it as a database URL")
        return os.environ[name].strip(), given, True
    if given.startswith("file:"):
        path = given.removeprefix("file:")
        expected = "a database URL in its first line"
        lines = read_text(path, DatabaseError, expected=expected, max_bytes=1 << 20).split()
        if not lines:
            raise DatabaseError(f"{given}: is empty; its first line must be a database URL")
        return lines[0], given, True
    return given, "the database URL", False


def _check_file(url: URL, text: str) -> None:
    if "?" in text:  # the rest is not shown: it may be a password for another database
        raise DatabaseError(
            f"{shown_url(url.set(query={}))}?...: an SQLite file has no options, and its name no question mark; "
            "choose another name"
        )
    if url.host or url.username or url.port:
        raise DatabaseError(f"{shown_url(url)}: names a host; use sqlite:///FILE, with three slashes")
    if url.database in (None, "", ":memory:"):
        raise DatabaseError(f"{shown_url(url)}: names no file, so that the study would be lost; use sqlite:///FILE")
    path = Path(str(url.database))
    if not path.absolute().parent.is_dir():
        raise DatabaseError(f"{shown_url(url)}: the folder {path.parent} does not exist; create it first")
    if path.exists() and not path.is_file():
        raise DatabaseError(f"{shown_url(url)}: is not a file; name one in a folder, such as sqlite:///search.db")
    kind = network_file_system(path)
    if kind is not None:
        raise DatabaseError(
            f"{shown_url(url)}: the file is on a network file system ({kind}), where SQLite's locks do not hold and "
            "studies are damaged; use a local disk of one machine, or PostgreSQL or MySQL for several machines"
        )
