import shutil

import numpy as np
import pytest
import torch

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.data.logits_folder import read_logits
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.training import load_model, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a partition `train` and a model `model` trained on it."""
    path = tmp_path_factory.mktemp("logits")
    write_symbols(path / "ext", ["aa", "sil"])
    stream = np.random.default_rng(1)
    with write_partition(path / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for i, frames in enumerate((20, 33, 7)):
            writer.add(f"u{i}", stream.uniform(0, 5, (frames, 4)), [0, 1])
    changes = {"window_stride": 3, "recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 1, "seed": 1}
    settings = Settings().updated({"model": changes, "training": {"num_epochs": 2, "seed": 1}})
    train(path / "train", None, path / "model", settings)
    return path


def test_logits_equal_those_of_the_model(folder, tmp_path, capsys):
    assert main(["logits", str(folder / "model"), str(folder / "train"), str(tmp_path / "l")]) == 0
    assert "logits of 3 utterances" in capsys.readouterr().out
    written = read_logits(tmp_path / "l")
    assert (written.symbols, written.frame_shift_ms) == (["aa", "sil"], 30.0)
    model, _ = load_model(folder / "model")
    partition = read_partition(folder / "train")
    index = {name: i for i, name in enumerate(partition.utterance_ids)}
    for ids, logits, lengths in written.batches(batch_size=1):
        features = torch.from_numpy(np.array(partition.features_of(index[ids[0]])))
        with torch.inference_mode():
            expected, expected_lengths = model(features[None], torch.tensor([len(features)]))
        assert lengths.tolist() == expected_lengths.tolist()
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)


def test_epoch_chooses_the_weights(folder, tmp_path):
    for epoch in (0, 2):
        command = ["--quiet", "logits", str(folder / "model"), str(folder / "train"), str(tmp_path / str(epoch))]
        assert main([*command, "--epoch", str(epoch)]) == 0
    first, last = (read_logits(tmp_path / str(epoch)).partition for epoch in (0, 2))
    assert not np.array_equal(first.features, last.features)
    assert first.description.source["epoch"] == 0


def test_features_that_are_not_finite_are_named_before_anything_is_written(folder, tmp_path, capsys):
    write_symbols(tmp_path / "ext", ["aa", "sil"])
    spoilt = torch.ones(20, 4)
    spoilt[3, 1] = float("nan")
    for kind, value in (("feat", spoilt), ("ref", torch.tensor([0, 1]))):
        (tmp_path / "bad" / kind).mkdir(parents=True)
        torch.save(value, tmp_path / "bad" / kind / "u.pt")
    for command, out in (("logits", "l"), ("decode", "d.trn")):
        assert main(["--quiet", command, str(folder / "model"), str(tmp_path / "bad"), str(tmp_path / out)]) == 2
        assert "bad: utterance u, frame 3: a feature is NaN or infinite" in capsys.readouterr().err
        assert not (tmp_path / out).exists()


def flip_a_bit(path, place=140):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_damaged_features_and_logits_are_refused(folder, tmp_path, capsys):
    shutil.copytree(folder / "ext", tmp_path / "ext")
    shutil.copytree(folder / "train", tmp_path / "train")
    out, trn = tmp_path / "l", tmp_path / "train.trn"
    assert main(["--quiet", "logits", str(folder / "model"), str(tmp_path / "train"), str(out)]) == 0
    flip_a_bit(tmp_path / "train" / "features.npy")
    flip_a_bit(out / "features.npy")
    capsys.readouterr()
    for command, named in (
        (["logits", folder / "model", tmp_path / "train", tmp_path / "again"], "train: is damaged"),
        (["decode", folder / "model", tmp_path / "train", trn], "train: is damaged"),
        (["decode", out, folder / "train", trn], "l: is damaged"),
    ):
        assert main(["--quiet", *map(str, command)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert named in line
    assert line.endswith("write it again with cnn-mellin logits")
    assert not (tmp_path / "again").exists()
    assert not trn.exists()


def test_other_features_are_refused(folder, tmp_path, capsys):
    with write_partition(tmp_path / "wide", PartitionDescription(5)) as writer:
        writer.add("a", np.ones((20, 5)), [0])
    assert main(["logits", str(folder / "model"), str(tmp_path / "wide"), str(tmp_path / "l")]) == 2
    printed = capsys.readouterr().err
    assert "wide: has 5 coefficients per frame" in printed
    assert "was trained on 4 (toy)" in printed
    assert not (tmp_path / "l").exists()


def contents(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("model", "model: is an input"),
        ("model/../model", "model/../model: is the input model"),
        ("train", "train: is an input"),
        ("train/l", "train/l: lies inside the input train"),
        (".", ".: contains the input model"),
        ("..", "..: contains the input model"),
        ("/", "/: contains the input model"),
        ("ext", "ext: exists and is not a folder of a model's logits; name another folder, or move this one away"),
        ("prepared", "prepared: exists and is not a folder of a model's logits"),
        ("model/model.json", "model/model.json: exists and is not a folder"),
    ],
)
def test_only_logits_are_replaced(folder, monkeypatch, capsys, out, message):
    with write_partition(folder / "prepared", PartitionDescription(4, 10.0, "fbank", {"corpus": "x"})) as writer:
        writer.add("a", np.ones((20, 4)), [0])
    monkeypatch.chdir(folder)
    before = contents(folder)
    assert main(["--quiet", "logits", "model", "train", out]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert f"cnn-mellin: {message}" in printed
    assert contents(folder) == before


def test_older_logits_are_replaced_but_not_other_files_beside_them(folder, tmp_path, capsys):
    command = ["--quiet", "logits", str(folder / "model"), str(folder / "train"), str(tmp_path / "l")]
    for epoch in ("1", "2"):
        assert main([*command, "--epoch", epoch]) == 0
    assert read_logits(tmp_path / "l").partition.description.source["epoch"] == 2
    (tmp_path / "l" / "notes.txt").write_text("precious")
    assert main(command) == 2
    assert "exists and is not a folder of a model's logits" in capsys.readouterr().err
    assert (tmp_path / "l" / "notes.txt").read_text() == "precious"
