import ast
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cnn_mellin.cli.main import main

SOURCES = Path(__file__).parents[2] / "src"


@pytest.fixture
def table(tmp_path):
    """A corpus of two recordings of half a second."""
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.sin(np.arange(8000) / 9).astype(np.float32) / 2, 16000)
    path = tmp_path / "corpus.tsv"
    path.write_text("audio\ttranscript\na.wav\tx y\nb.wav\ty x\n")
    return path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_is_shown_only_on_a_terminal(table, tmp_path, capsys, monkeypatch):
    assert main(["prep", "table", str(table), str(tmp_path / "data")]) == 0
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["prep", "table", str(table), str(tmp_path / "again")]) == 0
    assert "2/2" in terminal.getvalue()
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["--quiet", "prep", "table", str(table), str(tmp_path / "quiet")]) == 0
    assert terminal.getvalue() == ""


def test_every_progress_bar_lets_tqdm_detect_the_terminal():
    """`disable=None`, or what comes to it, is tqdm's word for that; no bar may do without."""
    bars = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tqdm":
                (disable,) = [keyword.value for keyword in node.keywords if keyword.arg == "disable"]
                last = disable.values[-1] if isinstance(disable, ast.BoolOp) else disable
                bars.append((path.name, node.lineno, isinstance(last, ast.Constant) and last.value is None))
    assert len(bars) >= 7
    assert [bar for bar in bars if not bar[2]] == []
