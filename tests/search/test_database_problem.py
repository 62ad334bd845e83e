"""Servers that refuse a connection: one line with the server's message and a remedy, within seconds."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

import sqlalchemy.exc

from cnn_mellin.search.database_problem import database_problem, passes, problem_words, remedy_of
from cnn_mellin.search.database_url import DatabaseError, resolve_database_url
from cnn_mellin.search.storage import StudyDatabase


def refusal(url: str, create: bool = False) -> str:
    """The error for a database that cannot be used, which must come within seconds."""
    began = time.monotonic()
    with pytest.raises(DatabaseError, match="; ") as error, StudyDatabase(resolve_database_url(url), create=create):
        pass
    assert time.monotonic() - began < 8
    said = str(error.value)
    assert said.isprintable()
    assert "{'" not in said  # pg8000 gives a dict
    return said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("postgresql+psycopg", "Connection refused"),
        ("postgresql+pg8000", "Can't create a connection to host 127.0.0.1 and port 1"),
        ("mysql+pymysql", r"Can't connect to MySQL server on '127\.0\.0\.1' .*\(error 2003\)"),
    ],
)
def test_no_server_listens(driver, words):
    said = refusal(f"{driver}://me@127.0.0.1:1/db")

    assert re.search(words, said), said
    assert said.endswith("check the URL's host and port, and that the server is running and lets this machine in")


def test_an_unknown_host():
    assert "check the URL's host and port" in refusal("postgresql+psycopg://me@no-such-host.invalid/db")
    assert "check the URL's host and port" in refusal("mysql+pymysql://me@no-such-host.invalid/db")


def with_role(server: Any) -> None:
    server.new_database("closed")
    server.query("DROP ROLE IF EXISTS stranger")
    server.query("CREATE ROLE stranger LOGIN")
    server.query("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg", "pg8000"])
def test_postgresql_refuses(postgresql_server, driver):
    server = postgresql_server
    said = refusal(server.url("absent", driver))
    assert 'database "absent" does not exist' in said
    assert said.endswith(
        "create the database (CREATE DATABASE NAME), mend its name in the URL, or create a study with `optim ... init`"
    )
    said = refusal(server.url("postgres", driver, "nobody"))
    assert 'role "nobody" does not exist' in said
    assert "name a user that the server knows" in said
    with_role(server)
    said = refusal(server.url("closed", driver, "stranger"))
    assert 'permission denied for database "closed"' in said
    assert "grant the user all rights on the database" in said
    server.query("GRANT CONNECT ON DATABASE closed TO stranger")
    said = refusal(server.url("closed", driver, "stranger"), create=True)
    assert "permission denied for schema public" in said
    assert "grant the user all rights on the database" in said


def test_postgresql_without_tls(postgresql_server):
    said = refusal(f"{postgresql_server.url('postgres')}?sslmode=require")
    assert "server does not support SSL, but SSL was required" in said
    assert "ask the server's administrator about TLS" in said


@pytest.mark.slow
def test_mariadb_refuses(mariadb_server, tmp_path):
    assert "Unknown database 'absent'" in refusal(mariadb_server.url("absent"))
    mariadb_server.new_database("closed")
    mariadb_server.query("CREATE USER IF NOT EXISTS stranger@'127.0.0.1', stranger@localhost")
    said = refusal(f"mysql+pymysql://stranger@127.0.0.1:{mariadb_server.port}/closed")
    assert "Access denied for user 'stranger'" in said
    assert "grant the user all rights on the database" in said
    (tmp_path / "ca.pem").write_text("no certificate")
    said = refusal(f"mysql+pymysql://root@127.0.0.1:{mariadb_server.port}/closed?ssl_ca={tmp_path}/ca.pem")
    assert "mend the URL's options that begin with ssl" in said


def test_an_option_value_that_the_driver_refuses_is_reported_in_one_line(postgresql_server):
    said = refusal(f"{postgresql_server.url('postgres')}?sslmode=geheimnis")
    assert 'invalid sslmode value: "geheimnis"' in said
    said = refusal(f"{postgresql_server.url('postgres')}?options=geheim")
    assert "geheim" not in said


def lost() -> sqlalchemy.exc.OperationalError:
    return sqlalchemy.exc.OperationalError("SELECT 1", {}, RuntimeError(2013, "Lost connection"))


def caught(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_session_used_after_its_connection_was_lost_has_the_problem_of_the_database():
    def work() -> None:
        try:
            raise lost()
        except sqlalchemy.exc.OperationalError:
            raise sqlalchemy.exc.PendingRollbackError(
                "Can't reconnect until invalid transaction is rolled back"
            ) from None

    problem = database_problem(caught(work))
    assert problem is not None
    assert passes(problem)
    assert problem_words(problem) == "Lost connection (error 2013)"


def test_other_errors_are_not_problems_of_the_database():
    assert database_problem(ValueError("x")) is None
    assert database_problem(sqlalchemy.exc.IntegrityError("", {}, Exception("duplicate"))) is None


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ('no pg_hba.conf entry for host "10.0.0.1", user "me", SSL off', "add a line for this machine"),
        ("password authentication failed for user me", "the password in ~/.pgpass"),
        ("Access denied for user 'me'@'h' (using password: YES)", "the password in ~/.pgpass"),
        ("sorry, too many clients already", "raise the server's max_connections"),
        ("database or disk is full", "free some space"),
        ("file is not a database", "name another file"),
        ("connection timed out", "check the URL's host and port"),
    ],
)
def test_each_problem_has_its_remedy(words, remedy):
    assert remedy in remedy_of(words)
