"""A real Slurm cluster of one node, started without systemd, and a small corpus."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged", "mungekey")


class FakeSlurm:
    """Programs sbatch, squeue and sacct that print what files of a folder hold, and write down how they were called.

    Args:
        folder: with `answer` (what sbatch prints), `queue` or `queue.CLUSTER` (what squeue prints), `accounts` (what
            sacct prints); where a file `PROGRAM.error` lies, the program prints that on standard error and fails.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = (
            f'cd {folder}\nprintf "%s\\n" "$@" > "${{0##*/}}.arguments"\nenv > "${{0##*/}}.environment"\n'
            'for a; do case "$a" in --clusters=*) c=".${a#*=}";; esac; done\n'
        )
        fails = 'if [ -e "${0##*/}.error" ]; then cat "${0##*/}.error" >&2; exit 1; fi\n'
        for name, rest in (
            ("sbatch", f"cat > script\n{fails}cat answer\n"),
            ("squeue", f'echo >> looks\n{fails}cat "queue$c" 2> /dev/null || true\n'),
            ("sacct", f"{fails}cat accounts\n"),
        ):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{kept}{rest}")
            program.chmod(0o755)

    def says(self, file: str, text: str) -> None:
        """Change what a program prints, at once."""
        (self.folder / "new").write_text(text)
        (self.folder / "new").replace(self.folder / file)

    def wrote(self, file: str) -> str:
        """Content of a file of the folder."""
        return (self.folder / file).read_text()

    def wait_for_looks(self, count: int) -> None:
        """Wait until squeue was asked so many times more."""
        looks = self.folder / "looks"
        before = looks.stat().st_size if looks.exists() else 0
        until = time.monotonic() + 20
        while not looks.exists() or looks.stat().st_size < before + count:
            assert time.monotonic() < until, "squeue is not asked any more"
            time.sleep(0.01)


@pytest.fixture
def fake_slurm(tmp_path, monkeypatch) -> FakeSlurm:
    """Slurm's programs as a site may have them, for what no real cluster can be made to say."""
    folder = tmp_path / "fake-slurm"
    folder.mkdir()
    fake = FakeSlurm(folder)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in list(os.environ):
        if name.startswith(("SLURM_", "SBATCH_", "SQUEUE_")):
            monkeypatch.delenv(name)
    fake.says("answer", "101\n")
    fake.says("queue", "")
    return fake


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """SLURM_CONF of a cluster that accepts jobs; it is exported too, and the cluster keeps no accounts."""
    missing = [name for name in _PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (scripts/test_packages.sh): no Slurm cluster can be started")
    if os.geteuid() != 0:
        pytest.skip("a Slurm cluster for the test can be started by root only")
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    daemons: list[subprocess.Popen[bytes]] = []
    before = {name: os.environ.get(name) for name in ("SLURM_CONF", "PATH")}
    try:
        os.environ["PATH"] = _path()
        os.environ["SLURM_CONF"] = str(_write_configuration(folder))
        _start_munge(folder, daemons)
        with open(folder / "daemons.log", "ab") as log:
            for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", _host()]):
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
        _wait_for_node(folder)
        yield folder / "slurm.conf"
        subprocess.run(["scancel", "--user=root"], check=False)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _path() -> str:
    return f"{os.environ['PATH']}{os.pathsep}/usr/sbin"


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _start_munge(folder: Path, daemons: list[subprocess.Popen[bytes]]) -> None:
    """Its own daemon, key and socket, as its own user, as munge will not run as root."""
    place = folder / "munge"
    place.mkdir(mode=0o755)
    folder.chmod(0o755)
    key = place / "key"
    subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    for path in (place, key):
        shutil.chown(path, "munge", "munge")
    command = ["runuser", "-u", "munge", "--", shutil.which("munged") or "munged", "--foreground"]
    command += [f"--key-file={key}", f"--socket={place}/socket", f"--pid-file={place}/pid", f"--log-file={place}/log"]
    command += [f"--seed-file={place}/seed"]
    with open(folder / "daemons.log", "ab") as log:
        daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))
    _wait_for(lambda: (place / "socket").exists(), folder, "munged opened no socket")


def _write_configuration(folder: Path) -> Path:
    host = _host()
    for name in ("state", "spool"):
        (folder / name).mkdir()
    lines = {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": _free_port(),
        "SlurmdPort": _free_port(),
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={folder}/munge/socket",
        "CredType": "cred/munge",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "SwitchType": "switch/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core",
        "JobAcctGatherType": "jobacct_gather/none",
        "AccountingStorageType": "accounting_storage/none",
        "SlurmdParameters": "config_overrides",
        "ReturnToService": 2,
        "MpiDefault": "none",
        "KillWait": 5,
        "SchedulerParameters": "bf_interval=2,sched_min_interval=200000",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/spool",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/slurmd.pid",
        "SlurmctldLogFile": f"{folder}/slurmctld.log",
        "SlurmdLogFile": f"{folder}/slurmd.log",
    }
    text = "".join(f"{name}={value}\n" for name, value in lines.items())
    text += f"NodeName={host} NodeAddr=127.0.0.1 CPUs=4 CoresPerSocket=4 RealMemory=20000 State=UNKNOWN\n"
    text += f"PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
    path = folder / "slurm.conf"
    path.write_text(text)
    return path


def _wait_for_node(folder: Path) -> None:
    def idle() -> bool:
        done = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True, check=False)
        return done.stdout.strip() == "idle"

    _wait_for(idle, folder, "the cluster's node is not idle")


def _wait_for(condition, folder: Path, why: str) -> None:
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
            pytest.fail(f"{why}:\n{logs}")
        time.sleep(0.2)
