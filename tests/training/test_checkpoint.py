import json
import re

import pytest
import torch

from cnn_mellin.errors import DataError
from cnn_mellin.training.checkpoint import Checkpoint, CheckpointStore


def store(folder) -> CheckpointStore:
    return CheckpointStore(folder, "model_{epoch:03d}.pt", "optim_{epoch:03d}.pt")


def save(folder, epochs, best=lambda epoch: 1, keep_all=False) -> None:
    checkpoints = store(folder)
    for epoch in epochs:
        checkpoint = Checkpoint(epoch, {"w": torch.full((3,), float(epoch))}, {"epoch": epoch, "rates": [0.1, epoch]})
        checkpoints.save(checkpoint, best_epoch=best(epoch), keep_all=keep_all)


def files(folder) -> set[str]:
    return {path.name for path in folder.glob("*.pt")}


def test_last_and_best_are_found_and_the_others_deleted(tmp_path):
    save(tmp_path, range(1, 6), best=lambda epoch: min(epoch, 2))
    assert files(tmp_path) == {f"{kind}_{epoch:03d}.pt" for kind in ("model", "optim") for epoch in (2, 4, 5)}
    last = store(tmp_path).load_last()
    assert last is not None
    assert (last.epoch, last.training) == (5, {"epoch": 5, "rates": [0.1, 5]})
    assert store(tmp_path).load_model()["w"].tolist() == [2, 2, 2]
    assert store(tmp_path).load_model(4)["w"].tolist() == [4, 4, 4]
    with pytest.raises(DataError, match="no checkpoint of epoch 3; there are: 2, 4, 5"):
        store(tmp_path).load_model(3)


def test_all_are_kept_if_asked(tmp_path):
    save(tmp_path, range(1, 6), keep_all=True)
    assert len(files(tmp_path)) == 10


def test_a_new_folder_has_no_checkpoint(tmp_path):
    assert store(tmp_path).load_last() is None


@pytest.mark.parametrize("name", ["model_005.pt", "optim_005.pt"])
@pytest.mark.parametrize("damage", ["truncate", "delete", "flip"])
def test_a_damaged_newest_falls_back_to_the_one_before_and_is_named(tmp_path, name, damage, caplog):
    save(tmp_path, range(1, 6))
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "truncate" else content[:-9] + b"x" + content[-8:])
    last = store(tmp_path).load_last()
    assert re.search(rf"{name}: .* going back to the checkpoint before it", *caplog.messages)
    assert last is not None
    assert last.epoch == 4


def test_all_damaged_is_an_error(tmp_path, caplog):
    save(tmp_path, [1])
    (tmp_path / "model_001.pt").unlink()
    with pytest.raises(DataError, match="every checkpoint is damaged"):
        store(tmp_path).load_last()
    assert re.search("cannot be read", *caplog.messages)


def test_a_damaged_list_is_an_error(tmp_path):
    save(tmp_path, [1])
    (tmp_path / "checkpoints.json").write_text("{")
    with pytest.raises(DataError, match=r"checkpoints.json: is damaged"):
        store(tmp_path)


def test_a_file_written_but_not_listed_does_not_count(tmp_path):
    save(tmp_path, [1, 2])
    torch.save({"w": torch.zeros(1)}, tmp_path / "model_003.pt")
    last = store(tmp_path).load_last()
    assert last is not None
    assert last.epoch == 2


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    import hashlib

    save(tmp_path, [1])
    torch.save(Bomb(), tmp_path / "model_001.pt")
    listed = json.loads((tmp_path / "checkpoints.json").read_text())
    checksum = hashlib.sha256((tmp_path / "model_001.pt").read_bytes()).hexdigest()
    listed["checkpoints"][0]["files"]["model_001.pt"] = checksum
    (tmp_path / "checkpoints.json").write_text(json.dumps(listed))
    with pytest.raises(DataError, match="model_001.pt: is not a checkpoint"):
        store(tmp_path).load_model()
    assert "executed" not in capsys.readouterr().out


SUM = 64 * "0"


def entry(epoch=1, files=None):
    return {"epoch": epoch, "files": {"model_001.pt": SUM, "optim_001.pt": SUM} if files is None else files}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a JSON list"),
        ({}, "checkpoints is None; must be a list"),
        ({"checkpoints": {}}, "checkpoints is {}; must be a list"),
        ({"checkpoints": [None]}, "None has no whole number as its epoch"),
        ({"checkpoints": [entry("1")]}, "has no whole number as its epoch"),
        ({"checkpoints": [entry(1.5)]}, "has no whole number as its epoch"),
        ({"checkpoints": [entry(True)]}, "has no whole number as its epoch"),
        ({"checkpoints": [{"epoch": 1}]}, "epoch 1 has files None; must be names with SHA-256 checksums"),
        ({"checkpoints": [entry(1, ["model_001.pt"])]}, "must be names with SHA-256 checksums"),
        ({"checkpoints": [entry(1, {"model_001.pt": SUM, "optim_001.pt": 3})]}, "must be names with SHA-256 checksums"),
        ({"checkpoints": [entry(1, {})]}, "epoch 1 lists .*; must be 'model_001.pt', 'optim_001.pt'"),
        ({"checkpoints": [entry(0)]}, "epoch 0 is listed after 0; epochs must rise from 1"),
        ({"checkpoints": [entry(), entry()]}, "epoch 1 is listed after 1; epochs must rise from 1"),
        ({"checkpoints": [entry()], "best_epoch": "1"}, "best_epoch is '1'; must be a whole number"),
        ({"checkpoints": [entry()], "within_epoch": 3}, "3 has no whole number as its epoch"),
        ({"checkpoints": [], "within_epoch": entry(0, {"model.json": SUM})}, "must be within_001_BATCHES.pt"),
    ],
)
def test_a_list_of_the_wrong_form_is_one_line(tmp_path, content, message):
    (tmp_path / "checkpoints.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"^\S*checkpoints.json: is damaged \(.*{message}.*restore it, or train again"):
        store(tmp_path)


def test_a_list_nested_deeply_is_one_line(tmp_path):
    (tmp_path / "checkpoints.json").write_text(100_000 * "[")
    with pytest.raises(DataError, match=r"checkpoints.json: is damaged \(is nested too deeply"):
        store(tmp_path)


@pytest.mark.parametrize(
    "name", ["../x", "{folder}/../x", "sub/x", "..\\x", "model.json", ".", "", "..", "optim_001.pt\0", "model_002.pt"]
)
@pytest.mark.parametrize("kind", ["whole", "within"])
def test_a_list_that_names_other_files_deletes_none(tmp_path, name, kind):
    folder = tmp_path / "m"
    (folder / "sub").mkdir(parents=True)
    precious = [tmp_path / "x", folder / "sub" / "x", folder / "model.json", folder / "model_002.pt"]
    for path in precious:
        path.write_text("precious")
    save(folder, [1])
    listed = json.loads((folder / "checkpoints.json").read_text())
    name = name.format(folder=folder)
    if kind == "whole":
        listed["checkpoints"][0]["files"] = {"model_001.pt": SUM, name: SUM}
    else:
        listed["within_epoch"] = {"epoch": 1, "files": {name: SUM}}
    (folder / "checkpoints.json").write_text(json.dumps(listed))
    with pytest.raises(DataError, match=r"checkpoints.json: is damaged .* lists .*; must be"):
        save(folder, [2, 3, 4], best=lambda epoch: epoch)
    assert all(path.read_text() == "precious" for path in precious)


def test_saves_within_an_epoch_that_are_not_listed_are_deleted(tmp_path):
    save(tmp_path, [1])
    store(tmp_path).save_within(Checkpoint(1, {}, {}), 7)
    for name in ("within_002_000003.pt", "within_002_000009.pt", "within_2.pt", "other.pt"):
        (tmp_path / name).write_bytes(b"x")
    store(tmp_path).delete_unlisted()
    assert files(tmp_path) == {"model_001.pt", "optim_001.pt", "within_002_000007.pt", "within_2.pt", "other.pt"}
