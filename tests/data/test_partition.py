import dataclasses
import hashlib
import json
import os
import random
import time

import numpy as np
import pytest

import cnn_mellin.data.partition as partition_module
from cnn_mellin.data.partition import read_partition, verify_content
from cnn_mellin.data.partition_counts import count_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.verified_files import files_state, remember_verified
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


def test_digest_depends_on_the_content(tmp_path, path):
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
        (("b", np.zeros((1, 3)), [0]), "utterance b: duplicate utterance id"),
        (("d\0", np.zeros((1, 3)), [0]), r"utterance 'd.x00' has '.x00', which cannot be printed; an identifier has"),
        (("d", np.zeros((1, 2)), [0]), r"utterance d: features have shape \(1, 2\), but the partition has 3"),
        (("d", np.full((1, 3), np.nan), [0]), "utterance d: a feature is NaN or infinite"),
        (("d", np.zeros((1, 3)), [[0, 1]]), r"utterance d: reference has shape \(1, 2\)"),
    ],
)
def test_invalid_utterances_are_named_and_no_partition_is_left(tmp_path, arguments, message):
    def write() -> None:
        with write_partition(tmp_path / "p", PartitionDescription(3)) as writer:
            writer.add(*next((name, *value) for name, value in UTTERANCES.items()))
            writer.add(*arguments)

    with pytest.raises(DataError, match=message):
        write()
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_and_missing_file_have_different_errors(tmp_path, path):
    with pytest.raises(DataError, match=r"nothing: is not a data directory \(there is no such folder\)"):
        read_partition(tmp_path / "nothing")
    (path / "index.npz").unlink()
    with pytest.raises(DataError, match=r"train: is not a data directory \(index.npz is missing\)"):
        read_partition(path)


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 4])


def rewrite(**changes):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def as_before(folder, version, **changes):
    """Rewrite a partition in one of the previous formats: references of 64 bits, and without statistics or checksum."""
    index = dict(np.load(folder / "index.npz"))
    del index["adjacent_repeats"], index["magnitudes"]
    (folder / "index.npz").unlink()  # which may be mapped
    np.savez(folder / "index.npz", **{**index, "references": index["references"].astype(np.int64)})
    content = {**json.loads((folder / "partition.json").read_text()), "format": version, **changes}
    del content["statistics"], content["checksum"]
    if version == 2:
        content["checksum"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (folder / "partition.json").write_text(json.dumps(content))


def rewrite_in_old_format(**changes):
    return lambda path: as_before(path.parent, 1, **changes)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("features.npy", truncate, "is damaged"),
        ("index.npz", truncate, "is damaged"),
        ("partition.json", truncate, "is damaged"),
        ("partition.json", rewrite(format=9), "is of another format"),
        ("partition.json", rewrite(num_coefficients=4), r"is damaged \(partition.json is not what was written\)"),
        ("partition.json", rewrite(frame_shift_ms=11.0), r"is damaged \(partition.json is not what was written\)"),
        (
            "partition.json",
            rewrite_in_old_format(num_coefficients=4),
            r"features.npy holds float32 \(7, 3\), the index says",
        ),
        ("partition.json", rewrite_in_old_format(digest="0"), "features, references or ids are not what was written"),
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
    with pytest.raises(DataError, match="utterance c, frame 1: a feature is NaN or infinite; mend its audio"):
        read_partition(path, verify="never").check_finite()


def test_check_classes_names_the_utterance(path):
    partition = read_partition(path)
    partition.check_classes(3)
    with pytest.raises(DataError, match=r"utterance a: class 2 is not in 0\.\.1"):
        partition.check_classes(2)


@pytest.mark.parametrize("num_references", [0, 1, 70_000])
def test_counts_agree_with_the_partition_that_is_read(tmp_path, num_references):
    classes = np.random.default_rng(0).integers(0, 7, num_references)
    with write_partition(tmp_path / "train", PartitionDescription(2)) as writer:
        writer.add("a", np.zeros((3, 2)), classes)
        writer.add("b", np.zeros((4, 2)), [])
    counts, partition = count_partition(tmp_path / "train"), read_partition(tmp_path / "train")
    assert (counts.num_utterances, counts.num_frames, counts.num_coefficients) == (2, 7, 2)
    assert counts.of_class.tolist() == np.bincount(partition.references[:, 0]).tolist()
    assert partition.references[:, 0].tolist() == classes.tolist()
    assert partition.references.dtype == np.int32


@pytest.mark.parametrize("version", [1, 2])
def test_previous_formats_are_read(path, version):
    whole = read_partition(path)
    as_before(path, version)
    old = read_partition(path)
    assert old.statistics is None
    assert (old.description, old.digest, old.utterance_ids) == (whole.description, whole.digest, whole.utterance_ids)
    for name in ("features", "references", "adjacent_repeats"):
        assert np.array_equal(getattr(old, name), getattr(whole, name)), name
    assert np.array_equal(old.magnitude_sums(np.arange(3)), whole.magnitude_sums(np.arange(3)))
    old.check_classes(3)
    with pytest.raises(DataError, match=r"utterance a: class 2 is not in 0\.\.1"):
        old.check_classes(2)


def flip(file, bit):
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def aged(folder, seconds=60):
    """The folder, with the times of its files set back."""
    for file in folder.iterdir():
        os.utime(file, ns=(0, time.time_ns() - seconds * 10**9 + 1))
    time.sleep(0.03)  # their last change of status, a time that cannot be set
    return folder


def test_a_changed_feature_is_detected(path):
    read_partition(aged(path))
    flip(path / "features.npy", 8 * 150)
    for _ in range(2):
        with pytest.raises(
            DataError, match=r"train: is damaged \(features, references or ids are not .*cnn-mellin prep"
        ):
            read_partition(path)


@pytest.mark.parametrize(
    ("description", "remedy"),
    [
        (
            PartitionDescription(1, feature_type="logits", source={"symbols": []}),
            "write it again with cnn-mellin logits",
        ),
        (PartitionDescription(1, source={"rates": ["1"]}), "prepare it again with cnn-mellin speed"),
        (PartitionDescription(1, source={"corpus": "x"}), "prepare it again with cnn-mellin prep"),
        (PartitionDescription(1), r"write it again \(cnn-mellin data import\)"),
    ],
)
def test_the_remedy_names_the_command_that_wrote_the_partition(tmp_path, description, remedy):
    with write_partition(tmp_path / "p", description) as writer:
        writer.add("a", [[1.0]], [])
    flip(tmp_path / "p" / "features.npy", 8 * 128)
    with pytest.raises(DataError, match=f"{remedy}$"):
        read_partition(tmp_path / "p")


def reads_of(monkeypatch, path, **how):
    """Number of times that the content is digested when the partition is read."""
    calls: list[None] = []

    def counted(partition):
        calls.append(None)
        verify_content(partition)

    monkeypatch.setattr(partition_module, "verify_content", counted)
    read_partition(path, **how)
    monkeypatch.undo()
    return len(calls)


def test_what_was_written_is_trusted_until_it_changes(monkeypatch, path):
    assert reads_of(monkeypatch, path) == 0
    assert read_partition(path).verified
    flip(path / "features.npy", 8 * 150)
    with pytest.raises(DataError, match="features, references or ids are not what was written"):
        read_partition(path)


def test_statistics_that_contradict_the_references_are_damage(path):
    content = json.loads((path / "partition.json").read_text())
    content["statistics"]["classes"] = [0, 1]
    del content["checksum"]
    content["checksum"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (path / "partition.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="its statistics are not those of its references"):
        read_partition(path)


def test_a_training_reads_neither_features_nor_references_before_its_first_batch(path):
    partition = read_partition(path)
    unread = dataclasses.replace(partition, references=partition.references[:0], features=partition.features[:0])
    for name in ("verified", "statistics"):
        object.__setattr__(unread, name, getattr(partition, name))
    unread.check_finite()
    unread.check_classes(3)
    assert unread.adjacent_repeats.tolist() == [0, 0, 0]
    assert unread.magnitude_sums(np.arange(3)).tolist() == [[18, 22, 26], [1, 1, 1], [3, 3, 3]]
    assert isinstance(partition.references, np.memmap)


def test_content_is_verified_once_per_state_of_the_files(monkeypatch, path):
    aged(path)
    assert [reads_of(monkeypatch, path) for _ in range(3)] == [1, 0, 0]
    assert reads_of(monkeypatch, path, verify="always") == 1
    assert reads_of(monkeypatch, path, verify="never") == 0
    assert read_partition(path).verified
    for name in ("features.npy", "index.npz", "partition.json"):
        copy = (path / name).read_bytes()
        (path / name).unlink()
        (path / name).write_bytes(copy)
        aged(path)
        assert [reads_of(monkeypatch, path) for _ in range(2)] == [1, 0]


def test_damage_that_a_full_verification_finds_is_not_forgotten(path):
    flip(path / "features.npy", 8 * 150)
    # as if the disk had damaged the file later, without changing its times
    remember_verified(path, files_state(aged(path), ("partition.json", "index.npz", "features.npy")))
    assert read_partition(path).verified
    for verify in ("always", "once"):
        with pytest.raises(DataError, match="is damaged"):
            read_partition(path, verify=verify)


def test_features_that_are_not_finite_are_named_as_damage(path):
    features = np.load(path / "features.npy", mmap_mode="r+")
    features[6, 1] = np.inf
    features.flush()
    with pytest.raises(DataError, match="utterance c, frame 1: a feature is NaN or infinite, which is damage"):
        read_partition(path)


def test_content_is_verified_in_pieces(monkeypatch, tmp_path):
    monkeypatch.setattr(partition_module, "_BYTES_AT_ONCE", 50)
    with write_partition(tmp_path / "p", PartitionDescription(3)) as writer:
        writer.add("a", np.arange(300).reshape(100, 3), [0])
        writer.add("b", np.zeros((0, 3)), [0])
        writer.add("c", np.arange(300).reshape(100, 3), [0])
    assert read_partition(tmp_path / "p").verified


def everything(partition):
    arrays = (partition.features, partition.frame_offsets, partition.references, partition.reference_offsets)
    return partition.description, partition.digest, partition.utterance_ids, [array.tolist() for array in arrays]


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    description = PartitionDescription(3, 10.0, "fbank-81-10ms", {"corpus": "x", "configuration": {"name": "fbank"}})
    with write_partition(tmp_path / "whole", description) as writer:
        for name, (features, reference) in UTTERANCES.items():
            writer.add(name, features, reference)
    expected = everything(read_partition(tmp_path / "whole"))
    files = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    stream, refused = random.Random(1), 0
    for number in range(300):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        name = ("features.npy", "index.npz", "partition.json")[number % 3]
        flip(folder / name, stream.randrange(8 * len(files[name])))
        try:
            found = everything(read_partition(folder))
        except DataError as error:
            assert str(error).startswith(f"{folder}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert found == expected
    assert refused > 200
