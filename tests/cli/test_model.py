import shutil

import pytest
import torch
import yaml

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.report.model_card import card_result
from cnn_mellin.training import load_model, train
from cnn_mellin.training.description import OtherTrainingError

SETTINGS = Settings().updated(
    {
        "model": {"recurrent_size": 4, "recurrent_layers": 1, "convolutional_layers": 0, "seed": 1},
        "training": {"num_epochs": 2, "seed": 1},
        "data": {"batch_size": 2},
    }
)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_symbols(folder / "ext", ["aa", "b"])
    with write_partition(folder / "train", PartitionDescription(4, 10.0, "toy")) as writer:
        for i in range(3):
            writer.add(f"u{i}", torch.rand(12, 4, generator=torch.Generator().manual_seed(i)).numpy(), [0, 1])
    train(folder / "train", None, folder / "m", SETTINGS)
    return folder / "m"


def pack(model_dir, out, *more):
    return main(["model", "pack", str(model_dir), str(out), *more])


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder", "snapshot", "hub"])
def test_a_packed_model_gives_the_same_outputs_wherever_it_lies(model_dir, tmp_path, place):
    read = out = tmp_path / "out"
    if place != "folder":
        read = tmp_path / "models--me--phones"
        out = read / "snapshots" / "0a1b"
        (read / "refs").mkdir(parents=True)
        (read / "refs" / "main").write_text("0a1b")
        read = out if place == "snapshot" else read
    assert pack(model_dir, out) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "model.json",
        "model.safetensors",
        "settings.ini",
    ]
    features, lengths = torch.rand(1, 12, 4), torch.tensor([12])
    expected, _ = load_model(model_dir)
    found, description = load_model(read)
    assert torch.equal(found(features, lengths)[0], expected(features, lengths)[0])
    assert description.symbols == ["aa", "b"]


def test_another_epoch_has_other_weights(model_dir, tmp_path):
    weights = []
    for epoch in ("1", "2"):
        assert pack(model_dir, tmp_path / epoch, "--epoch", epoch) == 0
        weights.append(load_model(tmp_path / epoch)[0].state_dict())
        assert all(
            map(torch.equal, weights[-1].values(), load_model(model_dir, epoch=int(epoch))[0].state_dict().values())
        )
    assert not all(map(torch.equal, weights[0].values(), weights[1].values()))


def test_the_mean_of_the_best_epochs_is_packed(model_dir, tmp_path, capsys):
    assert pack(model_dir, tmp_path / "mean", "--epoch", "best2") == 0
    assert "the mean of the 2 best epochs" in capsys.readouterr().out
    found = load_model(tmp_path / "mean")[0].state_dict()
    states = [load_model(model_dir, epoch=epoch)[0].state_dict() for epoch in (1, 2)]
    for name, value in found.items():
        torch.testing.assert_close(value, (states[0][name] + states[1][name]) / 2)


def test_a_packed_model_is_not_trained_and_has_one_epoch(model_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert pack(model_dir, out) == 0
    with pytest.raises(OtherTrainingError, match="it is packed, and has no checkpoints"):
        train(model_dir.parent / "train", None, out, SETTINGS)
    capsys.readouterr()
    assert main(["model", "pack", str(out), str(tmp_path / "again"), "--epoch", "1"]) == 2
    assert capsys.readouterr().err == (
        f"cnn-mellin: --epoch 1: {out} is packed, with the weights of one epoch only; leave it out\n"
    )


def test_damaged_weights_and_other_folders_are_named(model_dir, tmp_path, capsys):
    assert pack(model_dir, tmp_path / "out") == 0
    (tmp_path / "out" / "model.safetensors").write_bytes(b"nothing")
    capsys.readouterr()
    assert pack(tmp_path / "out", tmp_path / "again") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"cnn-mellin: {tmp_path}/out/model.safetensors: is damaged (")
    assert error.count("\n") == 1
    shutil.copytree(model_dir, tmp_path / "trained")
    assert pack(model_dir, tmp_path / "trained") == 2
    assert "packed model" in capsys.readouterr().err
    assert (tmp_path / "trained" / "checkpoints.json").exists()


def test_the_card_has_metadata_sizes_and_results(model_dir, tmp_path, capsys):
    (tmp_path / "ref.trn").write_text("".join(f"aa b (s{i % 4}-{i})\n" for i in range(20)))
    (tmp_path / "hyp.trn").write_text("".join(f"aa {'b' if i % 3 else 'aa'} (s{i % 4}-{i})\n" for i in range(20)))
    scored = ["--scored", "test, greedy", str(tmp_path / "ref.trn"), str(tmp_path / "hyp.trn")]
    options = ["--corpus", "My Corpus", "--language", "en", "--license", "cc-by-4.0", *scored]
    assert main(["model", "card", str(model_dir), *options]) == 0
    card = capsys.readouterr().out
    _, metadata, text = card.split("---\n", 2)
    content = yaml.safe_load(metadata)
    assert (content["license"], content["language"], content["library_name"]) == ("cc-by-4.0", "en", "cnn-mellin")
    result = content["model-index"][0]["results"][0]
    assert (result["dataset"]["type"], result["metrics"][0]["value"]) == ("my-corpus", 17.5)
    number = sum(weight.numel() for weight in load_model(model_dir)[0].parameters())
    assert f"{number:,}, of which {number:,} can learn" in text
    assert "# m\n" in text
    found = card_result("test", tmp_path / "ref.trn", tmp_path / "hyp.trn")
    assert (found.percent, found.unit, found.num_units) == (17.5, "speakers", 4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 17.5 < found.high


def test_without_speakers_utterances_are_resampled(tmp_path):
    (tmp_path / "ref.trn").write_text("aa b (x)\nb (y)\n")
    (tmp_path / "hyp.trn").write_text("aa (x)\nb (y)\n")
    found = card_result("test", tmp_path / "ref.trn", tmp_path / "hyp.trn")
    assert (found.unit, found.num_units) == ("utterances", 2)


@pytest.mark.parametrize("missing", ["ref.trn", "hyp.trn"])
def test_missing_transcripts_are_named(model_dir, tmp_path, capsys, missing):
    for name in {"ref.trn", "hyp.trn"} - {missing}:
        (tmp_path / name).write_text("aa (x)\n")
    scored = ["--scored", "test", str(tmp_path / "ref.trn"), str(tmp_path / "hyp.trn")]
    assert main(["model", "card", str(model_dir), *scored]) == 2
    assert capsys.readouterr().err == f"cnn-mellin: {tmp_path / missing}: does not exist; name a trn file\n"
