import re
from pathlib import Path

from cnn_mellin.config import read_settings

README = Path(__file__).parents[1] / "README.md"


def test_example_runs_as_printed():
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(code, str(README), "exec"), {})


def test_files_it_names_are_there():
    text = README.read_text()
    named = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r"`(src/[\w/]+\.py|conf/[\w./-]+|scripts/[\w.]+)`", text)
    assert len(named) > 10
    assert [name for name in named if not (README.parent / name).exists()] == []


def test_settings_that_it_names_ship():
    named = [name for name in re.findall(r"--read-ini ([\w.-]+)", README.read_text()) if name != "F"]
    assert named
    for name in named:
        assert read_settings(name).training.num_epochs
