"""Processes that end with the one that started them."""

import os
import subprocess
from pathlib import Path

from cnn_mellin import __version__
from cnn_mellin.attached import attached_command


def start(folder: Path, text: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Run a module with this text, attached to the test."""
    (folder / "waiting.py").write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        attached_command("waiting", arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )


def test_a_module_runs_as_with_python_m():
    command = attached_command("cnn_mellin", ["--version"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read() == f"cnn-mellin {__version__}\n"
    assert process.returncode == 0


def test_arguments_and_exit_status_are_those_of_the_module(tmp_path):
    text = "import sys\nassert __name__ == '__main__'\nprint(sys.argv[1:])\nsys.exit(7)\n"
    with start(tmp_path, text, "a b", "--c") as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"['a b', '--c']\n"
    assert process.returncode == 7


def test_it_ends_when_the_pipe_closes(tmp_path):
    with start(tmp_path, "import time\nprint('ɑː')\ntime.sleep(60)\n", PYTHONIOENCODING="cp1252") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ɑː\n".encode()  # immediately, and in UTF-8
        process.stdin.close()
        assert process.wait(timeout=20) == 1
