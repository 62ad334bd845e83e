import json
import re
import shutil

import numpy as np
import pytest
import torch

from cnn_mellin.audio.reading import write_sphere
from cnn_mellin.corpora.utterance import Utterance
from cnn_mellin.data.labelling import corpus_labelling
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.preparation import prepare
from cnn_mellin.data.tensor_files import open_partition, write_tensor_files
from cnn_mellin.data.verification import find_faults, partitions_in
from cnn_mellin.errors import DataError


@pytest.fixture
def train(tmp_path):
    """A partition of two utterances, u1 and u2, as `prepare` writes it."""
    utterances = []
    for i, name in enumerate(("u1", "u2")):
        write_sphere(tmp_path / f"{name}.wav", np.random.default_rng(i).integers(-99, 99, 3200), 16000)
        utterances.append(Utterance(name, "s", tmp_path / f"{name}.wav", (), transcript=("a", "b")))
    parts = {"train": utterances}
    prepare(parts, tmp_path / "data", ["fbank-81-10ms"], corpus_labelling(parts)[0])
    return tmp_path / "data" / "fbank-81-10ms" / "train"


@pytest.fixture
def exported(train):
    write_tensor_files(read_partition(train), train.parent / "dev")
    return train.parent / "dev"


def rewritten(train, edit):
    """The partition with features and references changed before they are written (and digested) again."""
    old = read_partition(train)
    content = {
        name: (old.features_of(i).copy(), old.reference_of(i).copy()) for i, name in enumerate(old.utterance_ids)
    }
    edit(content)
    with write_partition(train, old.description) as writer:
        for name, (features, reference) in content.items():
            writer.add(name, features, reference)


def set_reference(row):
    def edit(content):
        content["u2"][1][1] = row

    return edit


def test_both_formats_are_clean(train, exported):
    assert list(find_faults(train)) == []
    assert list(find_faults(exported)) == []


def test_changed_features_are_found_by_their_digest(train):
    features = np.load(train / "features.npy", mmap_mode="r+")
    features[3, 5] += 1
    features.flush()
    (fault,) = find_faults(train)
    assert fault == (
        f"{train}: is damaged (features, references or ids are not what was written); "
        "prepare it again with cnn-mellin prep"
    )


def test_every_fault_is_named(train):
    features = np.load(train / "features.npy", mmap_mode="r+")
    features[2, 0], features[21, 0] = np.nan, np.inf
    features.flush()
    found = list(find_faults(train))
    assert "utterance u1: feature of frame 2 is NaN or infinite" in found[0]
    assert "utterance u2: feature of frame 1 is NaN or infinite" in found[1]
    assert len(found) == 3  # and the digest


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ((2, -1, -1), r"class 2 is not in 0..1"),
        ((-3, -1, -1), r"class -3 is not in 0..1"),
        ((0, 5, 5), "symbol 1 lasts from frame 5 to 5; must be 0 <= first < end <= 20"),
        ((0, 5, 21), "symbol 1 lasts from frame 5 to 21"),
        ((0, -1, 3), "symbol 1 lasts from frame -1 to 3"),
        ((0, 3, -1), "symbol 1 lasts from frame 3 to -1"),
    ],
)
def test_wrong_references_are_named(train, row, fault):
    rewritten(train, set_reference(row))
    (found,) = find_faults(train)
    assert found.startswith(f"{train}: utterance u2: {fault}")


def test_an_utterance_without_frames_is_named(train):
    rewritten(train, lambda content: content.update(u2=(content["u2"][0][:0], content["u2"][1])))
    found = list(find_faults(train))
    assert found[0] == f"{train}: utterance u2: has no frames"
    assert f"{train.parent}/ext/train.info.ark: total_frames is 40, but the partition has 20" in found


@pytest.mark.parametrize("name", ["features.npy", "index.npz", "partition.json"])
def test_missing_and_truncated_files_are_named(train, name):
    whole = (train / name).read_bytes()
    (train / name).write_bytes(whole[: len(whole) // 2])
    (fault,) = find_faults(train)
    assert fault.startswith(f"{train}: ")
    (train / name).unlink()
    (fault,) = find_faults(train)
    remedy = "name the folder of a partition, such as data/fbank-81-10ms/train"
    assert fault == f"{train}: is not a data directory ({name} is missing); {remedy}"


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("id2token.txt", "0 a\n1 c\n", "does not agree with token2id.txt"),
        ("utt2spk", "u1 s\n", "lacks 1 utterances: u2"),
        ("train.ref.trn", "a b (u2)\n", "lacks 1 utterances: u1"),
        ("train.info.ark", "num_utterances 3\n", "num_utterances is 3, but the partition has 2"),
        ("token2id.txt", "a 0\nb 2\n", "classes must be 0, 1, 2"),
        ("lm.arpa.gz", "", "has no .data. line"),
        ("scoring.json", "{}", "is damaged .folded_to is missing.; prepare the corpus again"),
        ("utt2spk", None, "is missing; prepare the corpus again"),
        ("lm.arpa.gz", None, "is missing"),
    ],
)
def test_faults_of_ext_are_named(train, name, content, fault):
    path = train.parent / "ext" / name
    path.unlink() if content is None else path.write_text(content)
    found = list(find_faults(train))
    assert len(found) == 1
    assert str(path) in found[0]
    assert re.search(fault, found[0])


@pytest.mark.parametrize(
    ("kind", "tensor", "fault"),
    [
        ("feat", torch.zeros(20, 81, dtype=torch.int32), "feat/u2.pt: is torch.int32; must be floating point"),
        ("feat", torch.zeros(20, 80), "feat/u2.pt: has 80 coefficients; the files before it have 81"),
        ("feat", torch.zeros(20), "feat/u2.pt: holds"),
        ("feat", torch.full((20, 81), torch.nan), "utterance u2: feature of frame 0 is NaN"),
        ("feat", torch.zeros(0, 81), "utterance u2: has no frames"),
        ("feat", None, "feat/u2.pt: does not exist, but ref/u2.pt does"),
        ("ref", None, "ref/u2.pt: does not exist, but feat/u2.pt does"),
        ("ref", torch.zeros(2), "ref/u2.pt: is torch.float32 (2,); must be int64 (R,) or (R, 3)"),
        ("ref", torch.zeros(2, 2, dtype=torch.int64), "ref/u2.pt: is torch.int64 (2, 2); must be"),
        ("ref", torch.tensor([0, 2]), "utterance u2: class 2 is not in 0..1"),
        ("ref", torch.tensor([[0, 0, 21]]), "utterance u2: symbol 0 lasts from frame 0 to 21"),
    ],
)
def test_faults_of_tensor_files_are_named(exported, kind, tensor, fault):
    path = exported / kind / "u2.pt"
    path.unlink() if tensor is None else torch.save(tensor, path)
    (found,) = find_faults(exported)
    assert fault in found


def test_invalid_names_of_tensor_files_are_named(exported):
    for kind in ("feat", "ref"):
        shutil.copy(exported / kind / "u2.pt", exported / kind / "u 3.pt")
    rule = "utterance 'u 3' has ' '; an identifier has 1 to 200 bytes"
    assert [fault.split(": ", 1)[1].startswith(rule) for fault in find_faults(exported)] == [True, True]
    with pytest.raises(DataError, match=f"dev/feat: {rule}"):
        open_partition(exported)


def test_without_ext_classes_have_no_upper_bound(exported, tmp_path):
    exported.rename(tmp_path / "alone")
    torch.save(torch.tensor([7, 8]), tmp_path / "alone" / "ref" / "u2.pt")
    assert list(find_faults(tmp_path / "alone")) == []
    torch.save(torch.tensor([7, -8]), tmp_path / "alone" / "ref" / "u2.pt")
    assert list(find_faults(tmp_path / "alone")) == [f"{tmp_path}/alone: utterance u2: class -8 must not be negative"]


def test_partitions_are_found_at_three_levels(train, exported, tmp_path):
    assert partitions_in(train) == [train]
    assert partitions_in(train.parent) == partitions_in(tmp_path / "data") == [exported, train]
    with pytest.raises(DataError, match="holds no partition"):
        partitions_in(train.parent / "ext")
    with pytest.raises(DataError, match="there is no such folder"):
        partitions_in(tmp_path / "none")


def test_decreasing_offsets_are_named(train):
    index = dict(np.load(train / "index.npz"))
    index["frame_offsets"] = np.array([0, 50, 40])
    np.savez(train / "index.npz", **index)
    (fault,) = find_faults(train)
    assert "frame_offsets of index.npz do not rise from 0" in fault


def test_the_description_is_checked_against_the_features(train):
    content = json.loads((train / "partition.json").read_text())
    (train / "partition.json").write_text(json.dumps({**content, "num_coefficients": 80}))
    (fault,) = find_faults(train)
    assert "is damaged (partition.json is not what was written)" in fault
    del content["checksum"], content["statistics"]  # as in the first format
    (train / "partition.json").write_text(json.dumps({**content, "format": 1, "num_coefficients": 80}))
    (fault,) = find_faults(train)
    assert "features.npy holds float32 (40, 81)" in fault
