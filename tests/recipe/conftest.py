"""A real Slurm cluster of one node, started without systemd, and programs that stand for those of other clusters."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

_PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged", "mungekey")


class FakeSlurm:
    """Programs sbatch, squeue and sacct that print the content of files, and record how they were called.

    Args:
        folder: folder of the files `answer` (printed by sbatch), `queue` or `queue.CLUSTER` (by squeue) and `accounts`
            (by sacct); where a file `PROGRAM.error` exists, the program prints it on standard error and fails.
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
        """Change atomically what a program prints."""
        (self.folder / "new").write_text(text)
        (self.folder / "new").replace(self.folder / file)

    def wrote(self, file: str) -> str:
        """Content of a file of the folder."""
        return (self.folder / file).read_text()

    def wait_for_looks(self, count: int) -> None:
        """Wait until squeue has been queried so many times more."""
        looks = self.folder / "looks"
        before = looks.stat().st_size if looks.exists() else 0
        until = time.monotonic() + 20
        while not looks.exists() or looks.stat().st_size < before + count:
            assert time.monotonic() < until, "squeue is not queried any more"
            time.sleep(0.01)


@pytest.fixture
def fake_slurm(tmp_path, monkeypatch) -> FakeSlurm:
    """Fake programs of Slurm, for answers that a real cluster cannot be made to give."""
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
    """SLURM_CONF (also exported) of a cluster without accounting; all its processes end with it, which is checked."""
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
        for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", _host()]):
            _start(command, folder, daemons)
        _wait_for_node(folder)
        yield folder / "slurm.conf"
        # A slurmstepd whose controller is gone would report the end of its job again and again, for minutes.
        subprocess.run(["scancel", "--user=root"], check=False)
        _wait_for(_queue_is_empty, folder, "jobs do not end")
    finally:
        left = [daemon for daemon in reversed(daemons) if _stop(daemon)]
        log = (folder / "daemons.log").read_text() if daemons else ""
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"the cluster has left processes behind:\n{log[-2000:]}"


def _start(command: Sequence[str], folder: Path, daemons: list[subprocess.Popen[bytes]]) -> None:
    """Start a daemon below a process that adopts whatever it leaves behind."""
    with open(folder / "daemons.log", "ab") as log:
        process = [sys.executable, str(Path(__file__).with_name("reaper.py")), *command]
        daemons.append(subprocess.Popen(process, stdout=log, stderr=log, start_new_session=True))


def _stop(daemon: subprocess.Popen[bytes]) -> bool:
    """Stop a daemon and all that it has started; True if something had to be killed."""
    daemon.terminate()
    return daemon.wait(timeout=60) != 0


def _queue_is_empty() -> bool:
    done = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and not done.stdout.strip()


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
    """Start munged with its own key and socket, as user munge, as it does not run as root."""
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
    _start(command, folder, daemons)
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


def _wait_for(condition: Callable[[], bool], folder: Path, why: str) -> None:
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
            pytest.fail(f"{why}:\n{logs}")
        time.sleep(0.2)
