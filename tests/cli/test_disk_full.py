"""Commands on a full disk: a real, small file system."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings, format_settings
from cnn_mellin.corpora.demo import make_demo_corpus
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.training import load_model


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted (that takes root on Linux)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # memory maps may still be open


def complains_of_a_full_disk(capsys, status: int) -> None:
    printed = capsys.readouterr().err
    assert status == 2
    assert printed.count("\n") == 1
    assert "No space left on device" in printed


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_preparation_leaves_no_half_partition(small_disk, tmp_path, capsys):
    make_demo_corpus(tmp_path / "corpus", 30)
    command = ["--quiet", "prep", "timit", str(tmp_path / "corpus"), str(small_disk / "data"), "--partial"]
    complains_of_a_full_disk(capsys, main(command))
    partitions = {path.parent for path in small_disk.rglob("*.npy")}
    assert len(partitions) < 3
    for partition in partitions:
        assert len(read_partition(partition)) > 0
    assert not [name for name in files(small_disk) if ".partial" in name]


@pytest.mark.slow
def test_no_partial_corpus_is_left(small_disk, capsys):
    complains_of_a_full_disk(capsys, main(["--quiet", "corpus", "demo", str(small_disk / "c"), "--utterances", "30"]))
    assert files(small_disk) == set()


def test_training_keeps_its_last_checkpoint(small_disk, tmp_path, capsys):
    data = tmp_path / "data"
    data.mkdir()
    write_symbols(data / "ext", ["a", "b"])
    with write_partition(data / "train", PartitionDescription(4, 10.0)) as writer:
        for i in range(4):
            writer.add(f"u{i}", np.random.default_rng(i).uniform(0, 5, (30, 4)), [0, 1])
    model = {"recurrent_size": 16, "recurrent_layers": 1, "convolutional_layers": 1}
    keep_all = {"num_epochs": 50, "keep_last_and_best_only": False, "seed": 1}
    settings = Settings().updated({"model": {**model, "seed": 1}, "training": keep_all})
    (tmp_path / "s.ini").write_text(format_settings(settings))
    command = ["--quiet", "--read-ini", str(tmp_path / "s.ini"), "train", str(data / "train"), str(small_disk / "m")]
    complains_of_a_full_disk(capsys, main(command))
    assert not [name for name in files(small_disk) if name.endswith(".partial")]
    load_model(small_disk / "m")  # checks that it is complete, by its checksum


def test_no_partial_export_is_left_and_the_older_one_stays(small_disk, tmp_path, capsys):
    for name, frames in (("small", 10), ("large", 3_000_000)):
        with write_partition(tmp_path / name, PartitionDescription(1)) as writer:
            writer.add("a", np.ones((frames, 1)), [0])
    assert main(["data", "export", str(tmp_path / "small"), str(small_disk / "f")]) == 0
    before = files(small_disk)
    status = main(["data", "export", str(tmp_path / "large"), str(small_disk / "f")])
    assert f"cnn-mellin: {small_disk / 'f'}: No space left on device; free some space" in capsys.readouterr().err
    assert status == 2
    assert files(small_disk) == before == {"f/feat/a.pt", "f/ref/a.pt"}
