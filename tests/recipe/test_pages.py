"""Commands and code of the pages on installation, tutorial, recipe and Python are valid, and run."""

import re
import shlex
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main, parser
from cnn_mellin.config import read_settings

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[list[str]]:
    """Arguments of each `cnn-mellin` command of a page."""
    lines = [shlex.split(line, comments=True) for line in "".join(blocks(page, "sh")).splitlines()]
    return [line[1:] for line in lines if line[:1] == ["cnn-mellin"]]


@pytest.mark.parametrize("arguments", [*commands("tutorial.md"), *commands("recipe.md")], ids=" ".join)
def test_every_command_is_understood(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert parser().parse_args(arguments).command in arguments


@pytest.mark.parametrize("page", ["recipe.md", "tutorial.md", "own-corpus.md"])
def test_every_training_of_a_page_has_an_end(page):
    trainings = [shlex.split(line) for line in "".join(blocks(page, "sh")).splitlines() if " train " in line]
    assert trainings
    for words in trainings:
        settings = words[words.index("--read-ini") + 1]
        assert read_settings(settings).training.num_epochs, settings


@pytest.mark.slow
def test_the_tutorial_runs_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in "".join(blocks("tutorial.md", "sh")).splitlines():
        if line.startswith("mkdir -p "):
            for folder in line.split()[2:]:
                (tmp_path / folder).mkdir(parents=True)
    quick = tmp_path / "quick.ini"
    quick.write_text("[training]\nnum_epochs = 1\n")
    for arguments in commands("tutorial.md"):
        if arguments[0] == "recipe":
            continue  # its own tests run it
        smaller = ["40" if argument == "300" else argument for argument in arguments]
        if "train" in smaller:
            smaller[2:2] = ["--read-ini", str(quick)]
        assert main(["--quiet", *smaller]) == 0, smaller
    printed = capsys.readouterr().out
    assert "mcorr - lcorr" in printed
    assert "  0.8 " in printed


def test_the_python_page_runs():
    code = "\n".join(blocks("python-api.md", "python"))
    assert code.count("assert") >= 5
    exec(compile(code, "docs/python-api.md", "exec"), {})


def test_every_name_on_the_python_page_exists():
    from importlib import import_module

    text = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    names = re.findall(r"\| `(cnn_mellin[\w.]+)`", text)
    assert len(names) == 6
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(import_module(module), attribute))
