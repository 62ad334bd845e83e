import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.config import read_settings

PROGRAM = Path(__file__).parents[2] / "examples" / "small_search.sh"
SIZES = {"NUM_TRIALS_SM": "6", "NUM_TRIALS_LG": "2", "NUM_SEEDS": "2", "NUM_EPOCHS": "1", "UTTERANCES": "40"}


@pytest.mark.timeout(1800)
@pytest.mark.soak
def test_the_whole_search_ends_with_a_comparison_and_can_be_run_again(tmp_path):
    for module in ("optuna", "matplotlib", "espeakng_loader"):
        pytest.importorskip(module, reason=f"{module} (of the extras search, report, demo) is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **SIZES, "PATH": path}

    def run() -> list[str]:
        command = ["bash", str(PROGRAM), str(tmp_path / "search")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.splitlines()

    lines = run()
    assert any(line.startswith("found - start") for line in lines)
    assert len((tmp_path / "search" / "large.params").read_text().split()) == 3
    assert read_settings(tmp_path / "search" / "found.ini").model.convolutional_mellin
    assert (tmp_path / "search" / "pictures" / "index.html").exists()
    assert run()[-3:] == lines[-3:]
