import json

import numpy as np
import pytest

from cnn_mellin.data.partition import PartitionDescription, count_partition, read_partition, write_partition
from cnn_mellin.errors import DataError

UTTERANCES = {
    "b": (np.arange(12, dtype=np.float32).reshape(4, 3), np.array([[1, 0, 2], [0, 2, 4]])),
    "a": (np.ones((1, 3), np.float32), np.array([2])),
    "c": (np.full((2, 3), -1.5, np.float32), np.zeros((0, 3), np.int64)),
}


@pytest.fixture
def path(tmp_path):
    description = PartitionDescription(3, 10.0, "fbank-81-10ms", {"corpus": "x"})
    with write_partition(tmp_path / "train", description) as writer:
        for name, (features, reference) in UTTERANCES.items():
            writer.add(name, features, reference)
    return tmp_path / "train"


def test_reads_back_what_was_written(path):
    partition = read_partition(path)
    assert partition.utterance_ids == list(UTTERANCES)
    assert partition.description == PartitionDescription(3, 10.0, "fbank-81-10ms", {"corpus": "x"})
    assert partition.num_frames.tolist() == [4, 1, 2]
    for i, (features, _) in enumerate(UTTERANCES.values()):
        assert np.array_equal(partition.features_of(i), features)
    assert partition.reference_of(0).tolist() == [[1, 0, 2], [0, 2, 4]]
    assert partition.reference_of(1).tolist() == [[2, -1, -1]]
    assert partition.reference_of(2).shape == (0, 3)


def test_features_are_memory_mapped_and_numpy_can_read_them(path):
    assert isinstance(read_partition(path).features, np.memmap)
    assert np.load(path / "features.npy").shape == (7, 3)


def test_header_keeps_its_length_when_a_partition_has_grown_long(tmp_path):
    with write_partition(tmp_path / "p", PartitionDescription(1)) as writer:
        for i in range(1001):
            writer.add(str(i), np.full((997, 1), i), [0])
    partition = read_partition(tmp_path / "p")
    assert partition.features.shape == (1001 * 997, 1)
    assert partition.features_of(1000)[-1, 0] == 1000


def test_digest_is_of_the_content(tmp_path, path):
    digests = {read_partition(path).digest}
    changes = [("b", 0.5, 1, "a"), ("b", 1.0, 2, "a"), ("b", 1.0, 1, "z"), ("b", 1.0, 1, "a"), ("b", 1.0, 1, "a")]
    for i, (first, value, symbol, second) in enumerate(changes):
        with write_partition(tmp_path / str(i), PartitionDescription(1)) as writer:
            writer.add(first, np.full((2, 1), value), [symbol])
            writer.add(second, np.zeros((1, 1)), [0])
        digests.add(read_partition(tmp_path / str(i)).digest)
    assert len(digests) == len(changes)  # the last two are equal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("b", np.zeros((1, 3)), [0]), "utterance b: is there a second time"),
        (("d", np.zeros((1, 2)), [0]), r"utterance d: features of shape \(1, 2\), but the partition has 3"),
        (("d", np.full((1, 3), np.nan), [0]), "utterance d: a feature is NaN or infinite"),
        (("d", np.zeros((1, 3)), [[0, 1]]), r"utterance d: reference of shape \(1, 2\)"),
    ],
)
def test_what_cannot_be_added_is_named_and_nothing_is_left(tmp_path, arguments, message):
    def write() -> None:
        with write_partition(tmp_path / "p", PartitionDescription(3)) as writer:
            writer.add(*next((name, *value) for name, value in UTTERANCES.items()))
            writer.add(*arguments)

    with pytest.raises(DataError, match=message):
        write()
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_and_missing_file_are_told_apart(tmp_path, path):
    with pytest.raises(DataError, match=r"nothing: is no data directory \(there is no such folder\)"):
        read_partition(tmp_path / "nothing")
    (path / "index.npz").unlink()
    with pytest.raises(DataError, match=r"train: is no data directory \(index.npz is missing\)"):
        read_partition(path)


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 4])


def rewrite(**changes):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("features.npy", truncate, "is damaged"),
        ("index.npz", truncate, "is damaged"),
        ("partition.json", truncate, "is damaged"),
        ("partition.json", rewrite(format=9), "is of another format"),
        ("partition.json", rewrite(num_coefficients=4), r"features.npy holds float32 \(7, 3\), the index says"),
        ("partition.json", rewrite(surprise=4), "is damaged"),
        ("index.npz", lambda path: path.write_bytes(b""), "is damaged"),
    ],
)
def test_damage_is_named(path, name, damage, message):
    damage(path / name)
    with pytest.raises(DataError, match=message) as caught:
        read_partition(path)
    assert str(path) in str(caught.value)


def test_check_finite_names_utterance_and_frame(path):
    features = np.load(path / "features.npy", mmap_mode="r+")
    features[6, 1] = np.inf
    features.flush()
    with pytest.raises(DataError, match="utterance c, frame 1: a feature is NaN or infinite"):
        read_partition(path).check_finite()


def test_check_classes_names_the_utterance(path):
    partition = read_partition(path)
    partition.check_classes(3)
    with pytest.raises(DataError, match=r"utterance a: class 2 is not in 0\.\.1"):
        partition.check_classes(2)


@pytest.mark.parametrize("num_references", [0, 1, 70_000])
def test_counts_are_those_of_what_is_read(tmp_path, num_references):
    classes = np.random.default_rng(0).integers(0, 7, num_references)
    with write_partition(tmp_path / "train", PartitionDescription(2)) as writer:
        writer.add("a", np.zeros((3, 2)), classes)
        writer.add("b", np.zeros((4, 2)), [])
    counts, partition = count_partition(tmp_path / "train"), read_partition(tmp_path / "train")
    assert (counts.num_utterances, counts.num_frames, counts.num_coefficients) == (2, 7, 2)
    assert counts.of_class.tolist() == np.bincount(partition.references[:, 0]).tolist()
    assert partition.references[:, 0].tolist() == classes.tolist()
    assert partition.references.dtype == np.int64
