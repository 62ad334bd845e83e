import pytest

from cnn_mellin.data.partition import PartitionDescription, read_partition, write_partition
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.errors import DataError


@pytest.fixture
def partition(tmp_path):
    with write_partition(tmp_path / "p", PartitionDescription(1)) as writer:
        for i, name in enumerate("abc"):
            writer.add(name, [[i]] * (i + 1), [i] * (i + 2))
    return read_partition(tmp_path / "p")


def test_selection_keeps_order_features_and_references(partition):
    chosen = select_utterances(partition, ["c", "a"])
    assert chosen.utterance_ids == ["a", "c"]
    assert chosen.features_of(1).tolist() == [[2], [2], [2]]
    assert chosen.reference_of(1)[:, 0].tolist() == [2, 2, 2, 2]
    assert chosen.digest != partition.digest


def test_unknown_utterances_are_named(partition):
    with pytest.raises(DataError, match="subset_ids names what is not there: x, y"):
        select_utterances(partition, ["y", "a", "x"])
