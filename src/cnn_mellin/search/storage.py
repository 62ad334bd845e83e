"""The connection to a study's database: its options, and retries of errors that pass (restarts, lost connections)."""

from __future__ import annotations

import logging
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import optuna
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

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
from cnn_mellin.search.optuna_tables import TRIALS_TABLE, require_known_optuna
from cnn_mellin.search.sqlite_file import SqliteFile

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

__all__ = ["StudyDatabase"]

T = TypeVar("T")

_logger = logging.getLogger(__name__)
_MAX_WAIT_S = 5.0
# Limits for a server that has never answered: seconds of all attempts to reach it, and of one. Its URL is more likely
# to be wrong than the server to be down.
_FIRST_PATIENCE_S, _FIRST_ATTEMPT_S = 2.0, 5


class StudyDatabase:
    """A database that holds studies in Optuna's tables.

    Args:
        url: URL from `resolve_database_url`.
        create: create missing tables; otherwise missing tables are an error.
        patience_s: for how long a transaction is retried after an error that passes, such as a restart of the server,
            a deadlock or a lost connection.

    Attributes:
        engine: SQLAlchemy's engine.
        storage: Optuna's storage, without its heartbeat.

    Raises:
        DatabaseError: the database does not exist, or cannot be reached.
    """

    def __init__(self, url: URL, *, create: bool = False, patience_s: float = 30.0) -> None:
        self.url = url
        self._patience_s = patience_s
        self._said_waiting = False
        self._storage: optuna.storages.RDBStorage | None = None
        self._file: SqliteFile | None = None
        # The pool logs a traceback for each connection that a restart cuts; its user gets the error anyway.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        if url.drivername == "sqlite":
            url = self.url = url.set(database=str(Path(str(url.database)).absolute()))
            if not create and not Path(str(url.database)).exists():
                raise DatabaseError(f"{shown_url(url)}: there is no such file; create a study with `optim ... init`")
        self.storage = self.patiently(lambda: self._open(create))
        self.engine: Engine = self.storage.engine
        if url.drivername == "sqlite":
            self._file = self.patiently(lambda: SqliteFile(Path(str(url.database))))

    def patient_for(self, seconds: float) -> None:
        """Set for how long transactions are retried after errors that pass."""
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
            DatabaseError: the open SQLite file is no longer the one at its path, so that changes would be lost.
        """
        self._require_file()
        with self.engine.begin() as connection:
            yield connection
        self._require_file()

    @staticmethod
    def is_trouble(error: BaseException) -> bool:
        """Check whether an error comes from the database."""
        return isinstance(error, DatabaseError) or database_problem(error) is not None

    def patiently(self, work: Callable[[], T]) -> T:
        """Call `work`, and again after growing random waits while it fails with an error that passes.

        Args:
            work: one or several transactions that may be repeated from the start.

        Returns:
            The result of `work`.

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
                self._said_waiting = False
                return result
            if time.monotonic() - began > 2 and not self._said_waiting:
                self._said_waiting = True  # once, whichever thread of the worker and whichever transaction fails
                _logger.warning("%s: waiting for the database (%s)", shown_url(self.url), self._described(problem))
            if self._storage is not None:
                self._storage.remove_session()
                self._storage.engine.dispose()  # connections from before a restart are useless
            time.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, _MAX_WAIT_S)

    def require_passing(self, error: BaseException, waited_s: float = 0.0) -> None:
        """Check that an error of the database may still pass.

        Args:
            error: error for which `is_trouble` is true.
            waited_s: seconds since it first occurred.

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
                f"{shown_url(self.url)}: {fault} while it was in use, so that further results would be lost; put the "
                "file back, or create the study again with `optim ... init`"
            )

    def _described(self, problem: BaseException) -> str:
        """The driver's message on one line, without secrets."""
        words = problem_words(problem)
        for secret in sorted(secrets_of(self.url), key=len, reverse=True):
            words = words.replace(secret, "***")
        return words if len(words) <= 200 else f"{words[:200]}..."

    def _open(self, create: bool) -> optuna.storages.RDBStorage:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        require_known_optuna()
        text = self.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        options = _engine_options(self.url)
        if not self._has_tables() and not create:
            raise DatabaseError(f"{shown_url(self.url)}: holds no study; create one with `optim ... init`")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                storage = _opened(text, options, create)
            except RuntimeError as error:  # tables of another Optuna version
                raise DatabaseError(f"{shown_url(self.url)}: {error}") from None
            except AssertionError:  # a table that must have a row is empty
                raise DatabaseError(
                    f"{shown_url(self.url)}: its tables are damaged; name another database, and create a study there"
                ) from None
        if self.url.drivername == "sqlite":
            _make_fast(storage.engine)
        self._storage = storage
        return storage

    def _has_tables(self) -> bool:
        """Check whether the database has Optuna's tables; this is the first attempt to reach it."""
        engine = None
        try:
            engine = sqlalchemy.create_engine(self.url, **_engine_options(self.url, _FIRST_ATTEMPT_S))
            return sqlalchemy.inspect(engine).has_table(TRIALS_TABLE)
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
    if create:
        _make_tables(text, options)
    return optuna.storages.RDBStorage(text, options, skip_table_creation=True)


def _make_tables(text: str, options: dict[str, Any]) -> None:
    """Create missing tables of Optuna, with connections that are closed whatever happens."""
    options = {"connect_args": options["connect_args"], "poolclass": NullPool}
    attempts = 5  # processes that create the tables at the same time disturb each other
    for attempt in range(attempts):
        try:
            optuna.storages.RDBStorage(text, options).remove_session()
            return
        except DBAPIError as error:
            beaten = isinstance(error, IntegrityError)
            if attempt == attempts - 1 or not (beaten or "exist" in str(error) or "uplicate" in str(error)):
                raise
            time.sleep(random.random())


def _engine_options(url: URL, connect_s: int = 20) -> dict[str, Any]:
    """Options of SQLAlchemy's engine; options in the URL override them.

    Args:
        url: URL of the database.
        connect_s: timeout of an attempt to reach a server, in seconds.
    """
    if url.drivername == "sqlite":
        # Transactions lock the file when they begin, as SQLite may refuse to make a reader a writer later ("locked").
        return {"connect_args": {"timeout": 60, "isolation_level": "IMMEDIATE"}}
    arguments: dict[str, Any] = {}
    if url.drivername == "postgresql+pg8000":
        arguments = {"timeout": min(3 * connect_s, 60)}  # for connecting and for each answer
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
    """PyMySQL's argument `ssl` for a key with a password, which SQLAlchemy leaves out."""
    if "ssl_key_password" not in url.query:
        return {}
    names = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")
    tls = {name.removeprefix("ssl_"): url.query[name] for name in names if name in url.query}
    return {"ssl": tls | {"password": url.query["ssl_key_password"]}}


def _make_fast(engine: Engine) -> None:
    """Use a write-ahead log, so that reading and writing overlap, and sync only as often as its integrity needs."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()

    engine.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
