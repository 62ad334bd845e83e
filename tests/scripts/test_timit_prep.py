"""The scripts that prepare TIMIT, on a small tree of its shape, here and as a cluster would run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.data.partition import read_partition

SCRIPTS = Path(__file__).parents[2] / "scripts"
FEATURES = ("fbank-81-10ms", "raw")


@pytest.fixture(scope="module")
def corpus(synthetic_timit, tmp_path_factory) -> Path:
    folder: Path = synthetic_timit(tmp_path_factory.mktemp("a b") / "TI MIT", num_train=2)
    return folder


def run(folder: Path, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return subprocess.run(
        ["bash", *map(str, command)],
        cwd=folder,
        env={**environment, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_twin_and_job_write_the_same_data_directories(tmp_path, corpus):
    folders = [tmp_path / name for name in ("shell", "job", "cluster")]
    for folder in folders:
        folder.mkdir()
    shutil.copytree(SCRIPTS, folders[2] / "scripts")
    spooled = tmp_path / "spool" / "slurm_script"  # a cluster runs a copy, from a folder of its own
    spooled.parent.mkdir()
    shutil.copy(SCRIPTS / "timit_prep.slrm", spooled)
    jobs: list[tuple[Path, dict[str, str]]] = [
        (SCRIPTS / "timit_prep.sh", {}),
        (SCRIPTS / "timit_prep.slrm", {}),
        (spooled, {"SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": str(folders[2])}),
    ]
    for folder, (script, variables) in zip(folders, jobs, strict=True):
        done = run(folder, script, corpus, *FEATURES, "--partial", **variables)
        assert done.returncode == 0, done.stderr
        assert "data/timit/raw/train: 16 utterances, 128000 frames, prepared" in done.stdout
    first, *others = (tree(folder / "data") for folder in folders)
    for other in others:
        assert {name for name in first.keys() | other.keys() if first.get(name) != other.get(name)} == set()
    for features in FEATURES:
        ready = folders[0] / "data" / "timit" / features
        assert {path.name for path in ready.iterdir()} == {"train", "dev", "test", "ext"}
        assert len(read_partition(ready / "test")) == 8


@pytest.mark.slow
def test_all_three_features_are_the_default(tmp_path, corpus):
    done = run(tmp_path, SCRIPTS / "timit_prep.sh", corpus, "--partial", "--phones", "39")
    assert done.returncode == 0, done.stderr
    found = {path.name for path in (tmp_path / "data" / "timit").iterdir()}
    assert found == {"fbank-81-10ms", "sigbank-41-2ms", "raw"}
    assert len((tmp_path / "data/timit/raw/ext/token2id.txt").read_text().splitlines()) == 39


@pytest.mark.slow
@pytest.mark.parametrize("script", ["timit_prep.sh", "timit_prep.slrm"])
def test_wrong_arguments_are_named(tmp_path, script):
    done = run(tmp_path, SCRIPTS / script)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: " in done.stderr
    assert "TIMIT [FEATURES ...]" in done.stderr
    done = run(tmp_path, SCRIPTS / script, tmp_path / "none", "raw")
    assert done.returncode == 2
    assert done.stderr == f"cnn-mellin: {tmp_path}/none: does not exist; name the folder that holds TRAIN and TEST\n"
    assert list(tmp_path.iterdir()) == []


def test_without_the_command_the_remedy_is_named(tmp_path):
    done = run(tmp_path, SCRIPTS / "timit_prep.sh", tmp_path, PATH="/usr/bin:/bin")
    assert done.returncode == 2
    assert "cnn-mellin is not on the PATH; activate its environment first" in done.stderr
