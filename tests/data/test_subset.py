from dataclasses import replace

import numpy as np
import pytest

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.subset import select_utterances
from cnn_mellin.data.utterance_data import UtteranceData
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


def test_members_describe_only_the_selected_utterances(partition, tmp_path):
    """Each member of a subset equals that of a partition of the same utterances."""
    with write_partition(tmp_path / "q", PartitionDescription(1)) as writer:
        for i in (0, 2):
            writer.add(partition.utterance_ids[i], partition.features_of(i), partition.reference_of(i))
    alone = read_partition(tmp_path / "q")
    members = {name for name in vars(UtteranceData) if not name.startswith("_")} - {"path", "digest"}
    for subset in (
        select_utterances(partition, ["a", "c"]),
        select_utterances(select_utterances(partition, ["c", "b", "a"]), ["a", "c"]),
    ):
        for name in members:
            found, expected = getattr(subset, name), getattr(alone, name)
            if name.endswith("_of"):
                assert [found(i).tolist() for i in range(2)] == [expected(i).tolist() for i in range(2)]
            elif not callable(found):
                assert np.array_equal(found, expected), name
        assert subset.magnitude_sums(np.array([1])).tolist() == alone.magnitude_sums(np.array([1])).tolist()
        assert len(subset) == len(alone)
        # no other member, such as those of the whole partition, is accessible
        assert {name for name in dir(subset) if not name.startswith("_")} <= members | {"path", "digest"} | {
            "whole",
            "rows",
        }


def test_unknown_utterances_are_named(partition):
    with pytest.raises(DataError, match="subset_ids names utterances that do not exist: x, y"):
        select_utterances(partition, ["y", "a", "x"])


def test_a_subset_of_a_subset_is_a_subset_of_the_whole(partition):
    chosen = select_utterances(select_utterances(partition, ["b", "c"]), ["c"])
    assert (len(chosen), chosen.num_frames.tolist()) == (1, [3])
    assert chosen.features_of(0).tolist() == [[2]] * 3


def test_only_faults_within_the_subset_are_named(tmp_path):
    features = np.ones((4, 1), np.float32)
    with write_partition(tmp_path / "q", PartitionDescription(1)) as writer:
        for name, reference in zip("xyz", ([0], [0], [7]), strict=True):
            writer.add(name, features, reference)
    whole = read_partition(tmp_path / "q")
    frames = np.array(whole.features)
    frames[6] = np.nan
    whole = replace(whole, features=frames)
    good = select_utterances(whole, ["x"])
    good.check_finite()
    good.check_classes(2)
    bad = select_utterances(whole, ["x", "y", "z"])
    with pytest.raises(DataError, match="utterance y, frame 2: a feature is NaN"):
        bad.check_finite()
    with pytest.raises(DataError, match=r"utterance z: class 7 is not in 0\.\.1"):
        bad.check_classes(2)
