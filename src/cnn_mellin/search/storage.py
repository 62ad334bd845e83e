"""The connection to a study's database: opened with the right options, and patient with what passes."""

from __future__ import annotations

import logging
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cnn_mellin.search.database_options import secrets_of
from cnn_mellin.search.database_problem import (
    database_problem,
    passes,
    problem_words,
    remedy_of,
    server_is_there,
    unknown_host,
)
from cnn_mellin.search.database_url import DatabaseError, read_password_file, shown_url
from cnn_mellin.search.sqlite_file import SqliteFile

if TYPE_CHECKING:
    import optuna
    from sqlalchemy.engine import URL, Connection, Engine

__all__ = ["StudyDatabase"]

T = TypeVar("T")

_MOST_WAIT_S = 5.0
# For how long a server is tried that has not answered yet, and how long one attempt to reach it takes at most: the URL
# is likelier to be wrong than the server to be away.
_FIRST_PATIENCE_S, _FIRST_ATTEMPT_S = 2.0, 5


class StudyDatabase:
    """A database that holds studies in Optuna's tables.

    Args:
        url: from `resolve_database_url`.
        create: make the tables where they are not there; else their absence is an error.
        patience_s: for how long what passes (a restart, a deadlock, a lost connection) is tried again.
        say: called with a line where the database has to be waited for.

    Attributes:
        engine: SQLAlchemy's.
        storage: Optuna's, without its heartbeat.

    Raises:
        DatabaseError: there is no such database, or it cannot be reached.
    """

    def __init__(
        self,
        url: URL,
        *,
        create: bool = False,
        patience_s: float = 30.0,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.url, self._say = url, say
        self._patience_s = patience_s
        self._told = False
        self._storage: optuna.storages.RDBStorage | None = None
        self._file: SqliteFile | None = None
        # The pool logs a traceback for each connection that a restart cuts; those who use one get the error itself.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        if url.drivername == "sqlite":
            url = self.url = url.set(database=str(Path(str(url.database)).absolute()))
            if not create and not Path(str(url.database)).exists():
                raise DatabaseError(f"{shown_url(url)}: there is no such file; begin a study with `optim ... init`")
        self.storage = self.patiently(lambda: self._open(create))
        self.engine: Engine = self.storage.engine
        if url.drivername == "sqlite":
            self._file = self.patiently(lambda: SqliteFile(Path(str(url.database))))

    def patient_for(self, seconds: float) -> None:
        """Change for how long what passes is tried again."""
        self._patience_s = seconds

    def close(self) -> None:
        """Close all connections."""
        self.storage.remove_session()
        self.engine.dispose()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> StudyDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction.

        Raises:
            DatabaseError: an SQLite file is no longer the one at its path, so that nothing would be kept.
        """
        self._require_file()
        with self.engine.begin() as connection:
            yield connection
        self._require_file()

    @staticmethod
    def is_trouble(error: BaseException) -> bool:
        """Whether an error is the database's own."""
        return isinstance(error, DatabaseError) or database_problem(error) is not None

    def patiently(self, work: Callable[[], T]) -> T:
        """What `work` returns; it is called again, after growing random waits, as long as its error is one that passes.

        Args:
            work: a transaction or several that may be repeated from the start.

        Raises:
            DatabaseError: the error does not pass, or has not passed in time.
        """
        began, wait = time.monotonic(), 0.05
        while True:
            try:
                result = work()
            except Exception as error:
                problem = database_problem(error)
                if problem is None:
                    raise
                self.require_passing(problem, time.monotonic() - began)
            else:
                self._require_file()
                self._told = False
                return result
            if time.monotonic() - began > 2 and not self._told:
                self._told = True  # said once, whichever of the worker's threads and questions meets it
                self._say(f"{shown_url(self.url)}: waiting for the database ({self._described(problem)})")
            if self._storage is not None:
                self._storage.remove_session()
                self._storage.engine.dispose()  # connections of before a restart are of no use
            time.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, _MOST_WAIT_S)

    def require_passing(self, error: BaseException, waited_s: float = 0.0) -> None:
        """That a database's error may pass.

        Args:
            error: for which `is_trouble` is true.
            waited_s: seconds since it was first met.

        Raises:
            DatabaseError: it does not pass, or has not passed in time.
        """
        self._require_file()
        problem = database_problem(error)
        if problem is None:
            raise error
        patience_s = self._patience_s
        if self._storage is None and self.url.drivername != "sqlite" and not server_is_there(problem):
            patience_s = 0.0 if unknown_host(problem) else min(patience_s, _FIRST_PATIENCE_S)
        if passes(problem) and waited_s < patience_s:
            return
        tried = f" for {waited_s:.0f} s" if waited_s > 1 else ""
        words = self._described(problem)
        raise DatabaseError(f"{shown_url(self.url)}: cannot be used{tried} ({words}); {remedy_of(words)}") from None

    def _require_file(self) -> None:
        fault = None if self._file is None else self._file.fault()
        if fault is not None:
            raise DatabaseError(
                f"{shown_url(self.url)}: {fault} while it was in use, so that nothing more would be kept; put the file "
                "back, or begin the study anew with `optim ... init`"
            )

    def _described(self, problem: BaseException) -> str:
        """The driver's own words on one line, without what may be secret."""
        words = problem_words(problem)
        for secret in sorted(secrets_of(self.url), key=len, reverse=True):
            words = words.replace(secret, "***")
        return words if len(words) <= 200 else f"{words[:200]}..."

    def _open(self, create: bool) -> optuna.storages.RDBStorage:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        text = self.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        options = _engine_options(self.url)
        if not self._has_tables() and not create:
            raise DatabaseError(f"{shown_url(self.url)}: holds no study; begin one with `optim ... init`")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                storage = _opened(text, options, create)
            except RuntimeError as error:  # tables of another version
                raise DatabaseError(f"{shown_url(self.url)}: {error}") from None
            except AssertionError:  # a table that must have a row is empty
                raise DatabaseError(
                    f"{shown_url(self.url)}: its tables are damaged; name another database, and begin a study there"
                ) from None
        if self.url.drivername == "sqlite":
            _make_fast(storage.engine)
        self._storage = storage
        return storage

    def _has_tables(self) -> bool:
        """Whether the database holds Optuna's tables: the first attempt to reach it."""
        import sqlalchemy

        engine = None
        try:
            engine = sqlalchemy.create_engine(self.url, **_engine_options(self.url, _FIRST_ATTEMPT_S))
            return sqlalchemy.inspect(engine).has_table("trials")
        except ImportError:  # of the driver
            raise
        except Exception as error:
            if database_problem(error) is not None:
                raise
            # Drivers report options that they cannot use in any way: TypeError, ValueError, errors of TLS.
            words = self._described(error)
            remedy = remedy_of(f"option {words}")
            raise DatabaseError(f"{shown_url(self.url)}: cannot be used ({words}); {remedy}") from None
        finally:
            if engine is not None:
                engine.dispose()


def _opened(text: str, options: dict[str, Any], create: bool) -> optuna.storages.RDBStorage:
    import optuna

    if create:
        _make_tables(text, options)
    return optuna.storages.RDBStorage(text, options, skip_table_creation=True)


def _make_tables(text: str, options: dict[str, Any]) -> None:
    """Make Optuna's tables where they are missing, with connections that are closed whatever happens."""
    import optuna
    import sqlalchemy.exc
    from sqlalchemy.pool import NullPool

    options = {"connect_args": options["connect_args"], "poolclass": NullPool}
    attempts = 5  # several that make the tables at the same time get in each other's way
    for attempt in range(attempts):
        try:
            optuna.storages.RDBStorage(text, options).remove_session()
            return
        except sqlalchemy.exc.DBAPIError as error:
            beaten = isinstance(error, sqlalchemy.exc.IntegrityError)
            if attempt == attempts - 1 or not (beaten or "exist" in str(error) or "uplicate" in str(error)):
                raise
            time.sleep(random.random())


def _engine_options(url: URL, connect_s: int = 20) -> dict[str, Any]:
    """Options of the engine; those that the URL has count more.

    Args:
        url: of the database.
        connect_s: seconds after which an attempt to reach a server is given up.
    """
    if url.drivername == "sqlite":
        # A transaction that writes takes the lock at once: what began reading cannot be told "locked" later.
        return {"connect_args": {"timeout": 60, "isolation_level": "IMMEDIATE"}}
    arguments: dict[str, Any] = {}
    if url.drivername == "postgresql+pg8000":
        arguments = {"timeout": min(3 * connect_s, 60)}  # of connecting and of each answer
        password = None if url.password else read_password_file(url)
        if password:
            arguments["password"] = password
    elif url.drivername == "postgresql+psycopg":
        arguments = {"connect_timeout": connect_s}
    elif url.drivername == "mysql+pymysql":
        arguments = {"connect_timeout": connect_s, "read_timeout": 120, "write_timeout": 120}
        arguments |= _tls_of_pymysql(url)
    kept = {name: value for name, value in arguments.items() if name not in url.query}
    return {"pool_pre_ping": True, "pool_size": 2, "connect_args": kept}


def _tls_of_pymysql(url: URL) -> dict[str, Any]:
    """PyMySQL's `ssl`, where the key has a password: SQLAlchemy leaves that out."""
    if "ssl_key_password" not in url.query:
        return {}
    names = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")
    tls = {name.removeprefix("ssl_"): url.query[name] for name in names if name in url.query}
    return {"ssl": tls | {"password": url.query["ssl_key_password"]}}


def _make_fast(engine: Engine) -> None:
    """Readers and a writer side by side; a commit waits for the disk only where it must to keep the file whole."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    engine.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
