"""`make` says what it installs, and hands options to pip."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ["make", "-C", str(ROOT), "--no-print-directory", f"PYTHON={sys.executable}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_announces_the_installation_and_hands_options_to_pip(tmp_path):
    """pip looks for packages in an empty folder only, and fails there: nothing is fetched."""
    (tmp_path / "empty").mkdir()
    venv = tmp_path / "venv"
    options = f"--no-index --find-links {tmp_path / 'empty'}"
    done = make(f"VENV={venv}", f"PIP_OPTIONS={options}", str(venv / ".demo"))
    assert done.returncode != 0
    assert done.stdout.startswith(f"installing the program into {venv}, without a word from pip: some minutes, up to ")
    assert done.stdout.index("installing") < done.stdout.index("pip install --quiet")
    assert "No matching distribution found" in done.stderr
    assert not (venv / ".demo").exists()


@pytest.mark.parametrize("target", ["demo", "test", "soak", "lint", "coverage"])
def test_every_installation_of_a_target_has_the_options_and_an_announcement(target, tmp_path):
    done = make("-n", f"VENV={tmp_path / 'venv'}", "PIP_OPTIONS=--extra-index-url URL", target)
    lines = done.stdout.splitlines()
    installations = [line for line in lines if "-m pip install" in line]
    assert len(installations) == {"demo": 1, "lint": 2}.get(target, 3)
    assert [line for line in installations if " --extra-index-url URL " not in line] == []
    announced = [line for line in lines if re.match(r'echo "installing ', line)]
    assert len(announced) == len(installations)


def test_a_set_up_environment_is_not_announced_again(tmp_path):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for name in (".demo", ".dev", ".system"):
        (venv / name).touch()
    done = make("-n", f"VENV={venv}", "demo", "test")
    assert "installing" not in done.stdout
    assert f"{venv}/bin/cnn-mellin demo demo" in done.stdout


def test_the_lowest_versions_have_an_environment_of_their_own(tmp_path):
    done = make("-n", f"VENV={tmp_path / 'venv'}", "UV_OPTIONS=--torch-backend=cpu", "lowest")
    assert re.search(r"uv pip install [^\n]*--resolution lowest-direct --torch-backend=cpu ", done.stdout)
    assert f"{tmp_path}/venv-lowest/bin/python -m pytest tests/ops tests/layers tests/config" in done.stdout
    assert f"{tmp_path}/venv/" not in done.stdout


def test_the_lock_is_made_from_the_constraints_and_names_no_index(tmp_path):
    done = make("-n", f"VENV={tmp_path / 'venv'}", "lock")
    command = done.stdout.partition("uv pip compile ")[2].replace("\\\n", " ")
    for option in ("--constraint constraints.txt", "--generate-hashes", "--universal", "--no-emit-index-url"):
        assert option in command
    assert command.rstrip().endswith("--output-file requirements.lock")
