import re
import subprocess
import sys
from pathlib import Path

import pytest

import cnn_mellin.layers
import cnn_mellin.scoring

pytest.importorskip("mkdocs", reason="mkdocs is not installed (the extra dev)")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_has_every_page_and_public_name(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix("")
        assert (tmp_path / ("index.html" if name.name == "index" else f"{name}/index.html")).exists(), page
    assert (tmp_path / "CONTRIBUTING" / "index.html").exists()
    for package in (cnn_mellin.layers, cnn_mellin.scoring):
        text = (tmp_path / "reference" / package.__name__.rpartition(".")[2] / "index.html").read_text()
        anchors = {name.rpartition(".")[2] for name in re.findall(r'id="([\w.]+)"', text)}
        constants = {"CONVENTIONS", "Convention"}
        assert set(package.__all__) - constants <= anchors
