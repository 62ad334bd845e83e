"""Files for those who join the project: citation, templates, hooks and public CI say what the project does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnn_mellin import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_citation_is_that_of_the_project():
    citation = read("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == __version__
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])
    assert citation["authors"] == PROJECT["authors"]
    assert citation["keywords"] == PROJECT["keywords"]


def test_the_hooks_are_the_commands_of_make_lint():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == commands
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in repository["hooks"])


def test_public_ci_runs_make_with_every_version_of_python():
    workflow = read(".github/workflows/tests.yml")
    assert set(workflow[True]) == {"push", "pull_request", "workflow_dispatch"}  # YAML reads the key `on` as true
    versions = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    classified = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name]
    assert versions == classified
    least, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()  # type: ignore[union-attr]
    assert versions == [f"3.{minor}" for minor in range(int(least), int(below))]
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in workflow["jobs"].items()}
    assert runs["tests"][1:] == ["make lint PYTHON=python", "make test PYTHON=python"]
    assert workflow["env"]["PIP_OPTIONS"] == "${{ vars.PIP_OPTIONS }}"
    for command in [command for commands in runs.values() for command in commands]:
        program, argument, *_ = command.split()
        assert (argument in TARGETS) if program == "make" else (ROOT / argument).is_file()
    (set_up,) = [step["with"] for step in workflow["jobs"]["lowest"]["steps"] if "with" in step]
    assert set_up["python-version"] == versions[0]


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.name != "config.yml"], ids=lambda path: path.name)
def test_issue_forms_are_complete(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    questions = [entry for entry in form["body"] if entry["type"] != "markdown"]
    names = [entry["id"] for entry in questions if "id" in entry]
    assert len(names) == len(set(names)) == len(questions)
    assert {entry["type"] for entry in questions} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert all(entry["attributes"]["label"] for entry in questions)
    assert any(entry.get("validations", {}).get("required") for entry in questions)


def test_there_are_forms_for_faults_and_wishes():
    assert [path.name for path in TEMPLATES] == ["config.yml", "fault.yml", "wish.yml"]
    assert read(TEMPLATES[0]) == {"blank_issues_enabled": True}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", ".github/pull_request_template.md"])
def test_pages_for_contributors_name_targets_and_files_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"`make ([a-z]+)", text)
    assert targets
    assert set(targets) <= TARGETS
    files = re.findall(r"(?<![\w/.])(?:(?:src|docs|tests)/[\w./]+|[A-Z]+\.(?:md|cff)|pyproject\.toml)", text)
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_no_file_names_the_address_of_an_index():
    """Addresses of package indexes change, and users paste them from PyTorch's own instructions."""
    names = (
        "Makefile",
        "CITATION.cff",
        ".pre-commit-config.yaml",
        "environment.yaml",
        "constraints.txt",
        "requirements.lock",
        "pyproject.toml",
    )
    files = [
        *(ROOT / name for name in names),
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob(".github/**/*.*"),
    ]
    assert [path.name for path in files if re.search(r"index-url\S*[ =]\S*://", path.read_text("utf-8"), re.I)] == []
