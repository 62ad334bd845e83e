import numpy as np
import pytest
import torch

from cnn_mellin.data.logits_folder import read_logits, write_logits
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.errors import DataError


def batches():
    stream = torch.Generator().manual_seed(1)
    yield ["b", "a"], torch.randn(2, 5, 3, generator=stream), torch.tensor([5, 2])
    yield ["c"], torch.randn(1, 4, 3, generator=stream, dtype=torch.float64), torch.tensor([4])


def test_logits_are_read_back_memory_mapped(tmp_path):
    count = write_logits(tmp_path / "l", batches(), ["aa", "b"], frame_shift_ms=20.0, source={"epoch": 3})
    folder = read_logits(tmp_path / "l")
    assert (count, len(folder), folder.symbols, folder.frame_shift_ms) == (3, 3, ["aa", "b"], 20.0)
    assert folder.partition.description.source["epoch"] == 3
    assert isinstance(folder.partition.features, np.memmap)
    expected = {
        name: rows[:length].float()
        for ids, logits, lengths in batches()
        for name, rows, length in zip(ids, logits, lengths.tolist(), strict=True)
    }
    found = {
        name: rows[:length]
        for ids, logits, lengths in folder.batches(batch_size=2)
        for name, rows, length in zip(ids, logits, lengths.tolist(), strict=True)
    }
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_infinite_logit_is_named_and_no_folder_is_left(tmp_path):
    wrong = torch.ones(1, 2, 3)
    wrong[0, 1, 1] = float("nan")
    with pytest.raises(DataError, match="utterance u: a logit is NaN or infinite; the model has diverged"):
        write_logits(tmp_path / "l", [(["u"], wrong, torch.tensor([2]))], ["aa", "b"])
    assert list(tmp_path.iterdir()) == []


def test_values_past_the_length_are_ignored(tmp_path):
    padded = torch.full((1, 2, 3), float("inf"))
    padded[0, 0] = 1
    assert write_logits(tmp_path / "l", [(["u"], padded, torch.tensor([1]))], ["aa", "b"]) == 1


def test_folders_without_logits_are_refused(tmp_path):
    with write_partition(tmp_path / "p", PartitionDescription(2, 10.0, "fbank")) as writer:
        writer.add("a", [[1, 2]], [0])
    with pytest.raises(DataError, match="p: holds fbank, not logits"):
        read_logits(tmp_path / "p")
    description = PartitionDescription(2, 10.0, "logits", {"symbols": ["a", "b"]})
    with write_partition(tmp_path / "q", description) as writer:
        writer.add("a", [[1, 2]], [])
    with pytest.raises(DataError, match="q: has 2 classes for 2 symbols and the blank"):
        read_logits(tmp_path / "q")
