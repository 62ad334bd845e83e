"""The script that runs any command as a job of a cluster."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin import __version__

SCRIPT = Path(__file__).parents[2] / "scripts" / "cnn_mellin.slrm"


def start(arguments: list[str], path: str, **variables: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_") and k != "OMP_NUM_THREADS"}
    return subprocess.Popen(
        ["bash", str(SCRIPT), *arguments],
        env={**environment, "PATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_it_runs_the_command_and_ends_as_it_does():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    job = start(["--version"], path)
    assert job.communicate() == (f"cnn-mellin {__version__}\n", "")
    assert job.returncode == 0
    job = start(["data", "info", "no where"], path)
    assert "no where: there is no such folder" in job.communicate()[1]
    assert job.returncode == 2


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_signals_of_the_cluster_reach_the_command(tmp_path, name):
    program = (
        f"#!{sys.executable}\nimport os, signal, sys\n"
        f"signal.signal(signal.{name}, lambda *_: sys.exit(7))\n"
        "print(os.getpid(), os.environ['OMP_NUM_THREADS'], *sys.argv[1:], flush=True)\nsignal.pause()\n"
    )
    (tmp_path / "cnn-mellin").write_text(program)
    (tmp_path / "cnn-mellin").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    with start(["optim", "--study-name", "a b"], path, SLURM_CPUS_PER_TASK="3") as job:
        assert job.stdout is not None
        assert job.stdout.readline() == f"{job.pid} 3 optim --study-name a b\n"  # the very process of the batch shell
        job.send_signal(getattr(signal, name))
        assert job.wait(timeout=60) == 7


def test_directives_come_before_all_commands():
    lines = SCRIPT.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [line.removeprefix("#SBATCH ") for line in lines[:first] if line.startswith("#SBATCH")]
    assert not any(line.startswith("#SBATCH") for line in lines[first:])
    assert {"--signal=B:USR1@120", "--requeue", "--output=exp/logs/%x-%j.log"} <= set(directives)
