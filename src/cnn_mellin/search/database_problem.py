"""Errors of databases: how to recognise them, whether waiting helps, and the one line that a user reads."""

from __future__ import annotations

import re
from typing import Any

import optuna
import sqlalchemy.exc

__all__ = ["database_problem", "passes", "problem_words", "remedy_of", "server_is_there", "unknown_host"]

# PostgreSQL's classes of errors that pass: connection lost, too many connections, deadlock, lock, shutdown, restart.
_PASSING_STATES = ("08", "53", "40001", "40P01", "55P03", "57P")
# Errors that do not pass, by MySQL's numbers and by words: wrong password or name, no permission, no TLS, no disk.
_FINAL_NUMBERS = (1044, 1045, 1049, 1130, 1142, 1146, 1227, 1698, 2026, 2054, 2059)
_FINAL_WORDS = (
    *("authentication failed", "no password supplied", "does not exist", "Access denied", "Unknown database"),
    *("unable to open database file", "readonly database", "file is not a database", "disk is full", "malformed"),
    *("no pg_hba.conf entry", "no such table", "permission denied", "parameter cannot be None"),
    *("does not support SSL", "Server refuses SSL", "SSL is required", "certificate", "No database selected"),
    *("invalid connection option", "invalid port number", "invalid sslmode value", "invalid integer value"),
    "invalid command-line argument",
)
_UNKNOWN_HOST = re.compile(r"resolve host|Name or service not known|translate host name|getaddrinfo", re.I)
_THERE = re.compile(r"starting up|shutting down|recovery|too many|remaining connection slots|locked|deadlock", re.I)
# Pattern -> remedy; the first match counts. Without a match the remedy is _REACH.
_REMEDIES = (
    (r"pg_hba\.conf", "let the server's administrator add a line for this machine and user to pg_hba.conf"),
    (r"SSL|TLS|certificate", "ask the server's administrator about TLS, or mend the URL's options that begin with ssl"),
    (r"role .* does not exist|'user' connection parameter", "name a user that the server knows: USER@HOST in the URL"),
    (
        r"authentication failed|no password|Access denied for user \S+ \(using password",
        "check the URL's user, and the password in ~/.pgpass, PGPASSFILE, the read_default_file, env: or file:",
    ),
    (r"readonly|unable to open database file", "check that you may write to the file and its folder"),
    (r"permission denied|denied", "let the server's administrator grant the user all rights on the database"),
    (
        r"(database|table|relation) .*(does not exist|doesn't exist)|Unknown database|No database selected",
        "create the database (CREATE DATABASE NAME), mend its name in the URL, or create a study with `optim ... init`",
    ),
    (r"too many|connection slots", "run fewer workers at once, or raise the server's max_connections"),
    (r"disk is full|no space|disk full", "free some space and run the same command again"),
    (r"not a database|malformed|no such table", "name another file, and create a study there with `optim ... init`"),
    (
        r"invalid (connection|port|sslmode|integer|value|command)|option |argument",
        "mend the URL's options (docs/search.md lists them)",
    ),
    (r"locked", "wait for the program that holds the lock, and run the same command again"),
)
_REACH = "check the URL's host and port, and that the server is running and lets this machine in"


def database_problem(error: BaseException) -> BaseException | None:
    """The database's error behind an error of Optuna or SQLAlchemy; None for an error of another kind."""
    if isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, sqlalchemy.exc.PendingRollbackError | sqlalchemy.exc.ResourceClosedError):
        # the session was used after its connection was lost: the cause is the error before
        before = error.__cause__ or error.__context__
        return error if before is None else database_problem(before) or error
    if isinstance(error, sqlalchemy.exc.IntegrityError):
        return None
    if isinstance(error, sqlalchemy.exc.DBAPIError | sqlalchemy.exc.TimeoutError | ConnectionError | TimeoutError):
        return error
    if type(error).__module__.split(".")[0] in ("psycopg", "pg8000", "pymysql", "sqlite3"):
        return error
    return None


def passes(problem: BaseException) -> bool:
    """Check whether retrying may help."""
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


def server_is_there(problem: BaseException) -> bool:
    """Check whether a server has answered that it cannot serve now, so that waiting may help."""
    return _THERE.search(str(getattr(problem, "orig", None) or problem)) is not None


def unknown_host(problem: BaseException) -> bool:
    """Check whether the server's host name cannot be resolved."""
    return _UNKNOWN_HOST.search(str(getattr(problem, "orig", None) or problem)) is not None


def problem_words(problem: BaseException) -> str:
    """The database's message on one line.

    >>> problem_words(ValueError({"S": "FATAL", "C": "28P01", "M": "password authentication failed"}))
    'password authentication failed'
    >>> problem_words(ValueError(2003, "Can't connect"))
    "Can't connect (error 2003)"
    """
    original: Any = getattr(problem, "orig", None) or problem
    arguments = original.args
    first = arguments[0] if arguments else None
    if isinstance(first, dict) and first.get("M"):  # pg8000 gives the fields of the server's message
        words = ": ".join(str(first[field]) for field in ("M", "D") if first.get(field))
    elif isinstance(first, int) and len(arguments) > 1:  # PyMySQL's numbers
        words = f"{arguments[1]} (error {first})"
    else:
        words = re.split(r"\nLINE \d+:", str(original))[0] or type(original).__name__
    return " ".join(words.split())


def remedy_of(words: str) -> str:
    """The remedy for an error of a database, from its message.

    >>> remedy_of('FATAL: database "optim" does not exist')[:43]
    'create the database (CREATE DATABASE NAME),'
    """
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, words, re.I)), _REACH)
