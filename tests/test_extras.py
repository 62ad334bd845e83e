import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cnn_mellin import extras
from cnn_mellin.cli.main import main
from cnn_mellin.extras import BASE, EXTRAS, MissingPackageError, install_command, missing_packages, require_packages

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def without(monkeypatch):
    """`without("optuna", ...)` hides modules from `find_spec`."""
    find = importlib.util.find_spec

    def hide(*names: str) -> None:
        monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: None if wanted in names else find(wanted))

    return hide


PLUGIN = "'snakemake-executor-plugin-cluster-generic>=1.0.9,<2'"


def test_the_table_matches_the_project_file():
    for extra, packages in EXTRAS.items():
        listed = PROJECT["optional-dependencies"][extra]
        own = [package for package in listed if not package.startswith("cnn-mellin[")]
        assert sorted(packages.values()) == sorted(own), extra
    assert set(EXTRAS) == set(PROJECT["optional-dependencies"]) - {"dev"}
    assert sorted(BASE.values()) == sorted(PROJECT["dependencies"])


def test_every_module_of_the_table_is_installed_by_its_package():
    pytest.importorskip("optuna", reason="the extras are not installed")
    ours = [packages for extra, packages in EXTRAS.items() if extra != "wandb"]  # which needs an account to be tested
    for packages in (BASE, *ours):
        for module in packages:
            assert importlib.util.find_spec(module) is not None, module


def test_one_message_names_all_missing_packages_and_one_command(without):
    without("snakemake", "sklearn")
    with pytest.raises(MissingPackageError) as raised:
        require_packages("recipe", ["workflow", "report", "search"])
    command = shlex.join(["--editable", f"{ROOT}[workflow,report,search]"])
    assert re.fullmatch(
        r"recipe: needs snakemake, scikit-learn, which are not installed; "
        rf"install the extras workflow, report, search with: \S*pip install {re.escape(command)}",
        str(raised.value).replace(" -m pip", "pip"),
    )


def test_the_command_names_the_folder_that_the_package_was_installed_from(tmp_path, monkeypatch):
    """With and without the record of origin that pip writes."""
    site = tmp_path / "site"
    record = site / "cnn_mellin-0.1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: cnn-mellin\nVersion: 0.1.0\n")
    package = site / "cnn_mellin"
    package.mkdir()
    for name in ("__init__.py", "errors.py", "extras.py"):
        (package / name).write_text((ROOT / "src" / "cnn_mellin" / name).read_text())
    program = "from cnn_mellin.extras import install_command; print(install_command(['report', 'workflow']))"

    def said() -> str:
        command = [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {program}"]
        return subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=True).stdout.strip()

    assert said().endswith(f"-m pip install 'matplotlib>=3.8' 'snakemake>=9.16,<10' {PLUGIN}")
    (record / "direct_url.json").write_text(json.dumps({"url": ROOT.as_uri(), "dir_info": {}}))
    assert said().endswith(f"-m pip install '{ROOT}[report,workflow]'")
    (record / "direct_url.json").write_text(json.dumps({"url": (tmp_path / "gone").as_uri(), "dir_info": {}}))
    assert said().endswith(f"-m pip install 'matplotlib>=3.8' 'snakemake>=9.16,<10' {PLUGIN}")


def test_the_error_names_a_module_that_failed_to_import():
    error = missing_packages("optim run", ["search"], ["psycopg"])
    assert str(error).startswith("optim run: needs psycopg, which is not installed; install the extra search with: ")


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        ("optim sqlite:///a.db status", "optuna", "search"),
        ("optim --study-name s sqlite:///a.db init data/train", "sqlalchemy", "search"),
        ("recipe {tmp} exp", "snakemake", "workflow,report"),
        ("recipe {tmp} exp", "matplotlib", "workflow,report"),
        ("recipe {tmp} exp --search", "optuna", "workflow,report,search"),
        ("recipe {tmp} exp --search --db-url mysql+pymysql:///d", "pymysql", "workflow,report,search"),
        ("demo demo", "espeakng_loader", "workflow,report,demo"),
        ("corpus demo corpus", "espeakng_loader", "demo"),
        ("corpus demo corpus", "scipy", "demo"),
        ("--print-completion bash", "shtab", "completion"),
        ("report exp", "matplotlib", "report"),
        ("score a.trn b.trn --plot a.png", "matplotlib", "report"),
        ("transcribe model a.wav --plot a.png", "matplotlib", "report"),
        ("data plot part x a.png", "matplotlib", "report"),
        ("prep huggingface saved data", "pyarrow", "huggingface"),
        ("data export part out --to huggingface", "pyarrow", "huggingface"),
    ],
)
def test_every_command_checks_its_extras_before_it_begins(
    arguments, module, extra, without, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for name in ("a.trn", "b.trn"):
        (tmp_path / name).write_text("")
    without(module)
    assert main(arguments.format(tmp=tmp_path).split()) == 2
    complaint = capsys.readouterr().err
    assert f"needs {extras._package(module)}, which is not installed; install the extra" in complaint
    assert complaint.endswith(f"[{extra}]'\n")
    assert complaint.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.trn", "b.trn"]


def test_a_driver_is_needed_only_if_the_url_names_it(without, tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna", reason="the extra search is not installed")
    monkeypatch.chdir(tmp_path)
    without("psycopg", "pg8000", "pymysql")
    assert main(["optim", "sqlite:///a.db", "status"]) == 2
    assert "not installed" not in capsys.readouterr().err


def test_no_page_or_message_installs_the_package_from_an_index():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py"), ROOT / "environment.yaml"]
    wrong = [page.name for page in pages if re.search(r"pip install [^\n]*cnn-mellin\[", page.read_text("utf-8"))]
    assert wrong == []
    assert "pip install " in install_command(["search"])
