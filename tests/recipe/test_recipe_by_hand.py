"""The shell loops of docs/recipe-by-hand.md run as they are written, but for what depends on the site."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.config import read_settings

pytest.importorskip("optuna", reason="optuna (the extra search) is not installed")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipe-by-hand.md").read_text(encoding="utf-8")
SITE, *LOOPS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SMALL = {"convolutional_layers": 1, "recurrent_layers": 1, "recurrent_size": 64, "window_stride": 5}
NUM_TRIALS, FEATURES, LIMIT = 4, "fbank-81-10ms", str(640 * 2**20)


def site(url: str, corpus: Path) -> str:
    """The page's first block with other values; each that is replaced is there once."""
    text = SITE
    for name, value in {
        "db_url": url,
        "num_trials_sm": str(NUM_TRIALS),
        "top_k_md": "2",
        "top_k_lg": "2",
        "gpu_mem_limit_sm": LIMIT,
        "gpu_mem_limit_md": LIMIT,
        "gpu_mem_limit_lg": LIMIT,
        "optim_command": "cnn-mellin --quiet --device cpu",
        "timit_prep_cmd": "bash scripts/timit_prep.slrm",
        "timit_dir": str(corpus),
    }.items():
        text, count = re.subn(rf"^{name}=.*$", f'{name}="{value}"', text, flags=re.MULTILINE)
        assert count == 1, name
    text, count = re.subn(r"^feature_types=.*$", f"feature_types=( {FEATURES} )", text, flags=re.MULTILINE)
    assert count == 1
    return text


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_all_loops_run(kind, request, small_corpus, tmp_path):
    server = request.getfixturevalue(f"{kind}_server")
    server.new_database("by_hand")
    url = server.url("by_hand", "pg8000") if kind == "postgresql" else server.url("by_hand")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for model in ("lcorr", "mcorr"):
        start = (ROOT / "conf" / "optim" / f"model-{model}-sm.ini").read_text()
        small = "".join(f"{name} = {value}\n" for name, value in SMALL.items())
        start = start.replace("[model]\n", f"[model]\n{small}").replace("num_epochs = 30", "num_epochs = 1")
        (tmp_path / "conf" / "optim").mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / "optim" / f"model-{model}-sm.ini").write_text(start)
    text = site(url, small_corpus) + "".join(LOOPS)
    for size in ("lg", "md"):  # their studies have 128 trials, and one for training has no size of its own
        text = text.replace(f"--mem-limit-bytes $gpu_mem_limit_{size}\n", f"{limit(size)} --num-trials 2\n")
    text = text.replace("--mem-limit-bytes $gpu_mem_limit_sm\n  done", f"{limit('sm')} --num-trials 3\n  done")
    text = text.replace('"${feature_types[@]}"\n', '"${feature_types[@]}" --partial\n', 1)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    command = ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for model in ("lcorr", "mcorr"):
        names = (tmp_path / "exp" / "conf" / f"model-{model}-lg-{FEATURES}.params").read_text().split()
        assert len(names) == 2
        for stage in ("model-{}-lg", "train-{}-sm", "train-{}-md"):
            settings = read_settings(tmp_path / "exp" / "conf" / f"{stage.format(model)}-{FEATURES}.ini")
            assert settings.model.convolutional_mellin == (model == "mcorr")
        assert settings.training.max_time_mask == 10000
    again = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", site(url, small_corpus) + LOOPS[2]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout.count(f"Already done {NUM_TRIALS} trials") == 2
    status = ["cnn-mellin", "optim", url, "status"]
    table = subprocess.run(status, env=environment, capture_output=True, text=True, check=True).stdout
    assert table.count("done") == 8


def limit(size: str) -> str:
    return f"--mem-limit-bytes $gpu_mem_limit_{size}"
