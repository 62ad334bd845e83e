"""The Dockerfile and the Apptainer definition: they name what exists, agree, and bring all that the recipe needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cnn_mellin.extras import EXTRAS

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEFINITION = (ROOT / "cnn-mellin.def").read_text(encoding="utf-8")
HADOLINT = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
SECTIONS = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", DEFINITION, re.MULTILINE | re.DOTALL))


def copied_by_docker() -> list[str]:
    lines = re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE)
    return [word for line in lines for word in line.split()[:-1]]


def copied_by_apptainer() -> dict[str, str]:
    return dict(line.split() for line in SECTIONS["files"].strip().splitlines())


def test_both_copy_the_same_files_and_these_exist():
    assert set(copied_by_apptainer()) == set(copied_by_docker()) - {"src/cnn_mellin/__init__.py"}
    for name in copied_by_docker():
        assert (ROOT / name).exists(), name
    for name, place in copied_by_apptainer().items():
        assert place == f"/opt/cnn-mellin/{name}"


def test_docker_is_sent_what_it_copies_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert kept == {name.split("/")[0] for name in copied_by_docker()}


def test_both_install_the_recipe_with_the_tested_versions_and_torch_by_an_argument():
    for text, argument in ((DOCKERFILE, "${PIP_OPTIONS}"), (SECTIONS["post"], "{{ PIP_OPTIONS }}")):
        (command,) = re.findall(r"pip install (.*--constraint.*)$", text, re.MULTILINE)
        assert "--constraint constraints.txt" in command
        assert argument in command
        (extras,) = re.findall(r"\.\[([a-z,]+)\]", command)
        assert {"demo", "search"} == set(extras.split(",")) <= set(EXTRAS)
    assert re.search(r'^ARG PIP_OPTIONS=""$', DOCKERFILE, re.MULTILINE)
    assert re.search(r"^ +PIP_OPTIONS=$", SECTIONS["arguments"], re.MULTILINE)


def test_both_start_from_the_same_image_and_run_the_program():
    (version,) = re.findall(r"^ARG PYTHON_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert f"PYTHON_VERSION={version}" in SECTIONS["arguments"].split()
    (docker,) = re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE)
    (apptainer,) = re.findall(r"^From: (.*)$", DEFINITION, re.MULTILINE)
    assert docker.replace("${PYTHON_VERSION}", "{{ PYTHON_VERSION }}") == apptainer
    assert 'ENTRYPOINT ["cnn-mellin"]' in DOCKERFILE
    assert 'exec cnn-mellin "$@"' in SECTIONS["runscript"]


def test_both_name_arguments_that_the_help_explains():
    for text in (DOCKERFILE, SECTIONS["help"]):
        assert '--build-arg PIP_OPTIONS="--extra-index-url URL"' in text


@pytest.mark.slow
def test_the_copied_files_are_enough_to_build_the_package_with_its_workflow(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
    for name, place in copied_by_apptainer().items():
        target = tmp_path / "image" / Path(place).relative_to("/opt")
        target.parent.mkdir(parents=True, exist_ok=True)
        ignore = shutil.ignore_patterns("__pycache__")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=ignore)
        else:
            shutil.copy(ROOT / name, target)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(tmp_path / "image" / "cnn-mellin")], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "Snakefile",
        "profiles/default/config.yaml",
        "profiles/local/config.yaml",
        "profiles/slurm/config.yaml",
    ):
        assert f"cnn_mellin/recipe/{name}" in names
    assert "cnn_mellin/conf/model/demo-mcorr.ini" in names


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed (the extra dev)")
def test_hadolint_finds_no_fault():
    done = subprocess.run([str(HADOLINT), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("apptainer") is None, reason="Apptainer is not installed")
@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_apptainer_builds_an_image_that_runs(tmp_path):
    image = tmp_path / "cnn-mellin.sif"
    subprocess.run(["apptainer", "build", str(image), "cnn-mellin.def"], cwd=ROOT, check=True)
    printed = subprocess.run(["apptainer", "run", str(image), "--version"], capture_output=True, text=True, check=True)
    assert printed.stdout.startswith("cnn-mellin ")
