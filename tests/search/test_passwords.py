"""Databases with passwords: the right password gives access, and no password is shown or kept anywhere."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

SECRET = "geheim-7x"


@pytest.fixture
def data(tmp_path) -> Path:
    write_symbols(tmp_path / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    with write_partition(tmp_path / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for i in range(8):
            writer.add(f"u{i:02d}", stream.uniform(0, 5, (30, 4)), [0, 1])
    (tmp_path / "s.ini").write_text(
        "[model]\nrecurrent_size = 4\nrecurrent_layers = 1\nconvolutional_layers = 0\n[training]\nnum_epochs = 1\n"
    )
    folder: Path = tmp_path
    return folder


@pytest.fixture
def guarded(postgresql_server) -> Any:
    """PostgreSQL with a database `kept` of the role `guarded`, which needs a password."""
    for statement in (
        "DROP DATABASE IF EXISTS kept",
        "DROP ROLE IF EXISTS guarded",
        f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'",
        "CREATE DATABASE kept OWNER guarded",
    ):
        postgresql_server.query(statement)
    return postgresql_server


def search(data: Path, url: str, **variables: str) -> list[subprocess.CompletedProcess[str]]:
    """Create a study and run it."""
    program = [sys.executable, "-m", "cnn_mellin.cli.main"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(data), "OMP_NUM_THREADS": "1", **variables}
    init = ["init", str(data / "train"), "--whitelist", "model.window_size", "--num-trials", "1"]
    done = []
    for words in (["--read-ini", str(data / "s.ini"), "optim", url, *init], ["optim", url, "run"]):
        command = [*program, *words]
        assert SECRET not in " ".join(command)  # what a process list shows
        done.append(subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=data))
        if done[-1].returncode:
            break
    return done


def holds_no_secret(data: Path, done: list[subprocess.CompletedProcess[str]], *, but: tuple[str, ...] = ()) -> None:
    assert all(SECRET not in process.stdout + process.stderr for process in done)
    for path in data.rglob("*"):
        if path.is_file() and path.name not in but:
            assert SECRET.encode() not in path.read_bytes(), path


def ended(done: list[subprocess.CompletedProcess[str]]) -> bool:
    return [process.returncode for process in done] == [0, 0] and "completed 1 trials" in done[-1].stdout


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg", "pg8000"])
def test_a_password_file_gives_access(guarded, data, driver):
    path = data / "passwords"
    path.write_text(f"127.0.0.1:{guarded.port}:*:guarded:{SECRET}\n")
    path.chmod(0o600)
    done = search(data, guarded.url("kept", driver, "guarded"), PGPASSFILE=str(path))
    assert ended(done), done
    holds_no_secret(data, done, but=("passwords",))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["env", "file"])
def test_a_url_with_a_password_comes_from_the_environment_or_a_file(guarded, data, place):
    url = guarded.url("kept", "psycopg", f"guarded:{SECRET}")
    (data / "url").write_text(f"{url}\n")
    done = search(data, {"env": "env:STUDIES", "file": f"file:{data}/url"}[place], STUDIES=url)
    assert ended(done), done
    holds_no_secret(data, done, but=("url",))


@pytest.mark.slow
def test_an_option_file_gives_access_to_mariadb(mariadb_server, data):
    mariadb_server.new_database("kept")
    for statement in (
        "DROP USER IF EXISTS guarded@localhost, guarded@'127.0.0.1'",
        f"CREATE USER guarded@'127.0.0.1' IDENTIFIED BY '{SECRET}'",
        f"CREATE USER guarded@localhost IDENTIFIED BY '{SECRET}'",
        "GRANT ALL ON kept.* TO guarded@'127.0.0.1'",
        "GRANT ALL ON kept.* TO guarded@localhost",
    ):
        mariadb_server.query(statement)
    (data / "my.cnf").write_text(
        f"[client]\nhost=127.0.0.1\nport={mariadb_server.port}\nuser=guarded\npassword={SECRET}\n"
    )
    done = search(data, f"mysql+pymysql:///kept?read_default_file={data}/my.cnf")
    assert ended(done), done
    holds_no_secret(data, done, but=("my.cnf",))
    (data / "my.cnf").write_text((data / "my.cnf").read_text().replace(SECRET, f"{SECRET}-wrong"))
    refused(data, search(data, f"mysql+pymysql:///kept?read_default_file={data}/my.cnf"), "Access denied")


def refused(data: Path, done: list[subprocess.CompletedProcess[str]], reason: str) -> None:
    assert [process.returncode for process in done] == [2]
    assert reason in done[0].stderr
    assert done[0].stderr.count("\n") == 1
    assert SECRET not in done[0].stderr


@pytest.mark.slow
def test_a_wrong_password_is_reported_in_one_line_without_it(guarded, data):
    url = guarded.url("kept", "psycopg", f"guarded:{SECRET}-wrong")
    refused(data, search(data, "env:STUDIES", STUDIES=url), "password authentication failed")
    url = guarded.url("kept", "pg8000", f"guarded:{SECRET}-wrong")
    refused(data, search(data, "env:STUDIES", STUDIES=url), "password authentication failed")


@pytest.mark.slow
def test_a_password_on_the_command_line_is_refused(guarded, data):
    command = [
        sys.executable,
        "-m",
        "cnn_mellin.cli.main",
        "optim",
        guarded.url("kept", "psycopg", f"guarded:{SECRET}"),
    ]
    done = subprocess.run([*command, "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the URL holds a password" in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_that_does_not_exist_is_reported_in_one_line(kind, request, data):
    server = request.getfixturevalue(f"{kind}_server")
    refused(data, search(data, server.url("absent")), "absent")
