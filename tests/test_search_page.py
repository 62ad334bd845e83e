"""What docs/search.md shows does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.config import read_settings
from cnn_mellin.corpora.demo import make_demo_corpus

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")


@pytest.mark.soak
def test_every_command_runs_and_leaves_what_the_page_says(tmp_path):
    for module in ("optuna", "matplotlib"):
        pytest.importorskip(module, reason=f"{module} (of the extras search, report) is not installed")
    make_demo_corpus(tmp_path / "corpus", 40, 1, jobs=1, quiet=True)
    assert main(["--quiet", "prep", "timit", str(tmp_path / "corpus"), str(tmp_path / "data"), "--partial"]) == 0
    text = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
    small = (ROOT / "conf" / "model" / "demo-mcorr.ini").read_text()
    small, count = re.subn(r"^num_epochs = .*$", "num_epochs = 1", small, flags=re.MULTILINE)
    assert count == 1
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "demo-mcorr.ini").write_text(small)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_settings(tmp_path / "best.ini").model.convolutional_mellin
    assert len((tmp_path / "large.params").read_text().split()) == 2
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 5
    assert {path.name for path in (tmp_path / "models" / "small").iterdir()} == {f"trial_{i:04d}" for i in range(6)}
    assert (tmp_path / "pictures" / "index.html").exists()
