"""Throw-away PostgreSQL and MariaDB on loopback, started without systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["DatabaseServer", "MariaDB", "PostgreSQL", "running"]

_WAIT_S = 60.0


class DatabaseServer:
    """A database server of our own, with data in a new folder.

    Attributes:
        folder: of its data, socket and log.
        port: on 127.0.0.1.
    """

    name = ""
    programs: tuple[str, ...] = ()
    user = ""
    pid_file = ""
    gentle, harsh = signal.SIGTERM, signal.SIGKILL

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name.lower()}_"))
        self.port = _free_port()
        self.folder.chmod(0o755)
        (self.folder / "socket").mkdir()
        if os.geteuid() == 0:
            for path in (self.folder, self.folder / "socket"):
                shutil.chown(path, self.user, self.user)
        self._create()
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers."""
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(self._as_user(self._command()), stdout=log, stderr=log)
        ends = time.monotonic() + _WAIT_S
        while not self._answers():
            if time.monotonic() > ends or self._process.poll() is not None:
                log_text = (self.folder / "server.log").read_text(errors="replace")
                raise RuntimeError(f"{self.name} did not start:\n{log_text[-2000:]}")
            time.sleep(0.1)

    def stop(self, *, kill: bool = False) -> None:
        """Stop, as an administrator does or as a power cut does."""
        if self._process is None:
            return
        number = int((self.folder / self.pid_file).read_text().split()[0])
        os.kill(number, self.harsh if kill else self.gentle)
        self._process.wait(timeout=_WAIT_S)
        self._process = None

    def restart(self) -> None:
        """Stop and start; connections are lost."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop, and remove all data."""
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def query(self, statement: str) -> str:
        """What the server's own client prints."""
        done = subprocess.run(self._client(statement), capture_output=True, text=True, check=True)
        return done.stdout

    def new_database(self, name: str) -> str:
        """Make an empty database, in place of an older one; its URL."""
        self.query(f"DROP DATABASE IF EXISTS {name}")
        self.query(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        """URL of a database."""
        raise NotImplementedError

    def _create(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _client(self, statement: str) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        return subprocess.run(self._client("SELECT 1"), capture_output=True, check=False).returncode == 0

    def _as_user(self, command: Sequence[str]) -> list[str]:
        """Neither server runs as root."""
        return ["runuser", "-u", self.user, "--", *command] if os.geteuid() == 0 else list(command)

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            self._as_user(command), capture_output=True, text=True, check=False, cwd=self.folder, timeout=_WAIT_S
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")


class PostgreSQL(DatabaseServer):
    """PostgreSQL; all who come from this machine are let in, but for the role `guarded`, which has a password."""

    name, user = "PostgreSQL", "postgres"
    pid_file, gentle, harsh = "data/postmaster.pid", signal.SIGINT, signal.SIGQUIT
    programs = ("initdb", "postgres", "psql")

    def url(self, database: str, driver: str = "psycopg", user: str = "postgres") -> str:
        """URL of a database, for a driver."""
        return f"postgresql+{driver}://{user}@127.0.0.1:{self.port}/{database}"

    def _create(self) -> None:
        data = str(self.folder / "data")
        self._run(program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())

    def _command(self) -> list[str]:
        command = [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1"]
        return [*command, "-k", str(self.folder / "socket"), "-F", "-c", "max_connections=60"]

    def _client(self, statement: str) -> list[str]:
        where = ["-h", str(self.folder / "socket"), "-p", str(self.port), "-U", "postgres", "-d", "postgres"]
        return [program("psql"), "-X", "-q", "-t", "-A", *where, "-c", statement]


class MariaDB(DatabaseServer):
    """MariaDB; `defaults_file` holds what its clients need, as a user's ~/.my.cnf does."""

    name, user = "MariaDB", "mysql"
    pid_file, gentle, harsh = "pid", signal.SIGTERM, signal.SIGKILL
    programs = ("mariadb-install-db", "mariadbd", "mariadb")

    @property
    def defaults_file(self) -> Path:
        """For `?read_default_file=` and for the client's --defaults-file."""
        return self.folder / "my.cnf"

    def url(self, database: str) -> str:
        """URL of a database, as the recipe has it."""
        return f"mysql+pymysql:///{database}?read_default_file={self.defaults_file}"

    def _create(self) -> None:
        data = f"--datadir={self.folder}/data"
        account = [f"--user={self.user}"] if os.geteuid() == 0 else []
        self._run(
            program("mariadb-install-db"), "--no-defaults", data, "--auth-root-authentication-method=normal", *account
        )
        self.defaults_file.write_text(f"[client]\nhost=127.0.0.1\nport={self.port}\nuser=root\n")

    def _command(self) -> list[str]:
        command = [program("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}"]
        command += [f"--socket={self.folder}/socket/s", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid"]
        return [*command, "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"]

    def _client(self, statement: str) -> list[str]:
        return [program("mariadb"), f"--defaults-file={self.defaults_file}", "-N", "-e", statement]


@contextmanager
def running(kind: type[DatabaseServer]) -> Iterator[DatabaseServer]:
    """A server for a block; where its programs are missing the test is skipped, and in CI fails."""
    missing = [name for name in kind.programs if program(name) == name]
    if missing:
        reason = f"{', '.join(missing)} not installed (scripts/test_packages.sh): no {kind.name} can be started"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = kind()
    try:
        yield server
    finally:
        server.remove()


def program(name: str) -> str:
    """Path of a program; Debian keeps PostgreSQL's in a folder of their version, and servers where only root looks."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, versions)])
    return shutil.which(name, path=places) or name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
