"""The users' recipe installs by `conda env create -f environment.yaml` and `pip install .`: what that gives."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from cnn_mellin.extras import EXTRAS

ROOT = Path(__file__).parents[1]
# The parts of the recipe: preparation and training, searches on its databases, the report, and the demonstration.
NEEDED = ("search", "workflow", "report", "demo")


def pip_section() -> list[str]:
    """Lines of the requirements file that conda hands to pip, in the folder of environment.yaml."""
    dependencies = yaml.safe_load((ROOT / "environment.yaml").read_text(encoding="utf-8"))["dependencies"]
    (section,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert "pip" in dependencies  # or conda warns, and may use another environment's
    return list(section)


def requirements_of(extra: str, project: dict) -> set[str]:
    """Requirements of an extra, and of those that it names in turn."""
    found = set()
    for package in project["optional-dependencies"][extra]:
        if package.startswith("cnn-mellin["):
            for other in package.removeprefix("cnn-mellin[").rstrip("]").split(","):
                found |= requirements_of(other, project)
        else:
            found.add(package)
    return found


def test_it_brings_every_package_that_the_recipe_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (own,) = [line for line in pip_section() if line.startswith(".")]
    brought = set()
    for extra in own.removeprefix(".[").rstrip("]").split(","):
        brought |= requirements_of(extra, project)
    for extra in NEEDED:
        assert requirements_of(extra, project) <= brought, extra
        assert set(EXTRAS[extra].values()) <= brought, extra


@pytest.mark.slow
def test_pip_installs_it_literally_and_the_program_runs_outside_the_checkout(tmp_path):
    """Into an environment of its own, which finds the other packages where this one has them: nothing is fetched."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
    import numpy

    here = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", here], check=True)
    python = here / "bin" / "python"
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip())
    others = tmp_path / "others"
    others.mkdir()
    for entry in Path(numpy.__file__).parents[1].iterdir():
        if not entry.name.lower().startswith(("cnn_mellin", "_cnn_mellin", "__editable__", "_virtualenv")):
            (others / entry.name).symlink_to(entry)
    (site / "others.pth").write_text(f"{others}\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        "".join(f"{line}\n" for line in pip_section()).replace("constraints.txt", f"{ROOT}/constraints.txt")
    )
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    pip += ["--no-index", "--no-build-isolation", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for arguments in (["-r", str(requirements)], ["."]):
        done = subprocess.run(
            [*pip, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    command = str(here / "bin" / "cnn-mellin")
    (tmp_path / "elsewhere").mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *arguments],
            cwd=tmp_path / "elsewhere",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    shipped = (ROOT / "conf" / "model" / "demo-mcorr.ini").read_text(encoding="utf-8")
    assert run("conf", "conf/model/demo-mcorr.ini").stdout == shipped
    assert "convolutional_mellin = True" in run("--read-ini", "conf/model/demo-mcorr.ini", "--print-ini").stdout
    done = run("optim", "sqlite:///a.db", "status")
    assert (done.returncode, "create a study with" in done.stderr) == (2, True), done.stderr
