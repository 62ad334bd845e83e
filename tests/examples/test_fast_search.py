import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.config import read_settings

PROGRAM = Path(__file__).parents[2] / "examples" / "fast_search.sh"
SIZES = {"NUM_TRIALS": "3", "NUM_SEEDS": "2", "NUM_EPOCHS": "5"}


@pytest.mark.timeout(900)
@pytest.mark.soak
def test_the_search_compares_what_it_found_with_the_start_and_can_be_run_again(small_corpus, tmp_path):
    for module in ("optuna", "matplotlib"):
        pytest.importorskip(module, reason=f"{module} (of the extras search, report) is not installed")
    prepared = ["prep", "timit", str(small_corpus), str(tmp_path / "data"), "--features", "fbank-81-10ms", "--partial"]
    assert main(prepared) == 0
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **SIZES, "PATH": path}

    def run() -> list[str]:
        command = ["bash", str(PROGRAM), str(tmp_path / "data" / "fbank-81-10ms"), str(tmp_path / "search")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.splitlines()

    lines = run()
    assert sum(line.startswith("found - start ") for line in lines) == 2  # dev and test
    assert sum(line.startswith("start-best5 - start ") for line in lines) == 2
    found = read_settings(tmp_path / "search" / "found.ini")
    assert found.model.window_pooling == "attention"
    assert 0 <= found.training.learning_rate_warmup_proportion <= 0.1
    assert len((tmp_path / "search" / "trials.csv").read_text(encoding="utf-8").splitlines()) == 4
    again = run()
    assert again[-3:] == lines[-3:]
