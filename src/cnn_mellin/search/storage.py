"""The connection to a study's database: opened with the right options, and patient with what passes."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cnn_mellin.search.database_url import DatabaseError, read_password_file, shown_url

if TYPE_CHECKING:
    import optuna
    from sqlalchemy.engine import URL, Connection, Engine

__all__ = ["StudyDatabase"]

T = TypeVar("T")

# PostgreSQL's classes of what passes: connection lost, too many connections, deadlock, locked, shut down, restarting.
_PASSING_STATES = ("08", "53", "40001", "40P01", "55P03", "57P")
# What no patience mends: wrong password or name. PostgreSQL's states, then MySQL's numbers.
_FINAL_STATES = ("28", "3D000", "42501")
_FINAL_NUMBERS = (1044, 1045, 1049, 1142, 1698, 2054, 2059)
_FINAL_WORDS = (
    *("authentication failed", "no password supplied", "does not exist", "Access denied", "Unknown database"),
    *("unable to open database file", "readonly database", "file is not a database", "disk is full", "malformed"),
    *("no pg_hba.conf entry", "no such table"),
)
_MOST_WAIT_S = 5.0


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
        last_trouble: time.monotonic() of the last failed attempt, or minus infinity.

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
        self.last_trouble = -float("inf")
        self._storage: optuna.storages.RDBStorage | None = None
        if url.drivername == "sqlite" and not create and not Path(str(url.database)).exists():
            raise DatabaseError(f"{shown_url(url)}: there is no such file; begin a study with `optim ... init`")
        self.storage = self.patiently(lambda: self._open(create))
        self.engine: Engine = self.storage.engine

    def patient_for(self, seconds: float) -> None:
        """Change for how long what passes is tried again."""
        self._patience_s = seconds

    def close(self) -> None:
        """Close all connections."""
        self.storage.remove_session()
        self.engine.dispose()

    def __enter__(self) -> StudyDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction."""
        with self.engine.begin() as connection:
            yield connection

    @staticmethod
    def is_trouble(error: BaseException) -> bool:
        """Whether an error is the database's own."""
        return isinstance(error, DatabaseError) or _database_problem(error) is not None

    def patiently(self, work: Callable[[], T]) -> T:
        """What `work` returns; it is called again, after growing random waits, as long as its error is one that passes.

        Args:
            work: a transaction or several that may be repeated from the start.

        Raises:
            DatabaseError: the error does not pass, or has not passed in time.
        """
        began, wait, told = time.monotonic(), 0.05, False
        while True:
            try:
                return work()
            except Exception as error:
                problem = _database_problem(error)
                if problem is None:
                    raise
                self.last_trouble = time.monotonic()
                reason = self._described(problem)
                waited = self.last_trouble - began
                if not _passes(problem) or waited > self._patience_s:
                    tried = f" for {waited:.0f} s" if waited > 1 else ""
                    raise DatabaseError(f"{shown_url(self.url)}: cannot be used{tried} ({reason})") from None
            if waited > 2 and not told:
                told = True
                self._say(f"{shown_url(self.url)}: waiting for the database ({reason})")
            if self._storage is not None:
                self._storage.remove_session()
                self._storage.engine.dispose()  # connections of before a restart are of no use
            time.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, _MOST_WAIT_S)

    def _described(self, problem: BaseException) -> str:
        """The driver's own words on one line, without the password."""
        words = " ".join(str(getattr(problem, "orig", None) or problem).split())
        for secret in filter(None, (self.url.password, self.url.query.get("password"), self.url.query.get("passwd"))):
            words = words.replace(str(secret), "***")
        return words[:200]

    def _open(self, create: bool) -> optuna.storages.RDBStorage:
        import optuna
        import sqlalchemy

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        text = self.url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
        options = _engine_options(self.url)
        if not create:
            engine = sqlalchemy.create_engine(self.url, **options)
            try:
                found = sqlalchemy.inspect(engine).has_table("trials")
            finally:
                engine.dispose()
            if not found:
                raise DatabaseError(f"{shown_url(self.url)}: holds no study; begin one with `optim ... init`")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            try:
                storage = _opened(text, options, create)
            except RuntimeError as error:  # tables of another version
                raise DatabaseError(f"{shown_url(self.url)}: {error}") from None
        if self.url.drivername == "sqlite":
            _make_fast(storage.engine)
        self._storage = storage
        return storage


def _opened(text: str, options: dict[str, Any], create: bool) -> optuna.storages.RDBStorage:
    import optuna
    import sqlalchemy.exc

    attempts = 5 if create else 1  # several that make the tables at the same time get in each other's way
    for attempt in range(attempts):
        try:
            return optuna.storages.RDBStorage(text, options, skip_table_creation=not create)
        except sqlalchemy.exc.DBAPIError as error:
            beaten = isinstance(error, sqlalchemy.exc.IntegrityError)
            if attempt == attempts - 1 or not (beaten or "exist" in str(error) or "uplicate" in str(error)):
                raise
            time.sleep(random.random())
    raise AssertionError("not reached")


def _engine_options(url: URL) -> dict[str, Any]:
    if url.drivername == "sqlite":
        # A transaction that writes takes the lock at once: what began reading cannot be told "locked" later.
        return {"connect_args": {"timeout": 60, "isolation_level": "IMMEDIATE"}}
    arguments: dict[str, Any] = {}
    if url.drivername == "postgresql+pg8000":
        password = None if url.password else read_password_file(url)
        arguments = {"timeout": 60} | ({"password": password} if password else {})
    elif url.drivername == "postgresql+psycopg":
        arguments = {"connect_timeout": 20}
    elif url.drivername == "mysql+pymysql":
        arguments = {"connect_timeout": 20, "read_timeout": 120, "write_timeout": 120}
    return {"pool_pre_ping": True, "pool_size": 2, "connect_args": arguments}


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


def _database_problem(error: BaseException) -> BaseException | None:
    """The database's own error behind one of Optuna's, or None where it is of another kind."""
    import optuna
    import sqlalchemy.exc

    if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, sqlalchemy.exc.IntegrityError):
        return None
    if isinstance(error, sqlalchemy.exc.DBAPIError | sqlalchemy.exc.TimeoutError | ConnectionError | TimeoutError):
        return error
    if type(error).__module__.split(".")[0] in ("psycopg", "pg8000", "pymysql"):
        return error
    return None


def _passes(problem: BaseException) -> bool:
    """Whether trying again may help."""
    import sqlalchemy.exc

    original: Any = getattr(problem, "orig", None) or problem
    first = original.args[0] if original.args else None
    state = getattr(original, "sqlstate", None) or (first.get("C") if isinstance(first, dict) else None)
    if state:
        return str(state).startswith(_PASSING_STATES)
    if isinstance(first, int) and first in _FINAL_NUMBERS:
        return False
    if any(words in str(original) for words in _FINAL_WORDS):
        return False
    wrong = (sqlalchemy.exc.ProgrammingError, sqlalchemy.exc.DataError, sqlalchemy.exc.NotSupportedError)
    return not isinstance(problem, wrong)
