import json

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


def test_all_are_kept_when_asked(tmp_path):
    save(tmp_path, range(1, 6), keep_all=True)
    assert len(files(tmp_path)) == 10


def test_nothing_is_there_at_first(tmp_path):
    assert store(tmp_path).load_last() is None


@pytest.mark.parametrize("name", ["model_005.pt", "optim_005.pt"])
@pytest.mark.parametrize("damage", ["truncate", "delete", "flip"])
def test_a_damaged_newest_falls_back_to_the_one_before_saying_so(tmp_path, name, damage):
    save(tmp_path, range(1, 6))
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "truncate" else content[:-9] + b"x" + content[-8:])
    with pytest.warns(UserWarning, match=rf"{name}: .* going back to the checkpoint before it"):
        last = store(tmp_path).load_last()
    assert last is not None
    assert last.epoch == 4


def test_all_damaged_is_an_error(tmp_path):
    save(tmp_path, [1])
    (tmp_path / "model_001.pt").unlink()
    with (
        pytest.warns(UserWarning, match="cannot be read"),
        pytest.raises(DataError, match="every checkpoint is damaged"),
    ):
        store(tmp_path).load_last()


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
    with pytest.raises(DataError, match="model_001.pt: is no checkpoint"):
        store(tmp_path).load_model()
    assert "executed" not in capsys.readouterr().out
