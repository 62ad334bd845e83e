import pytest

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.speaker_split import split_by_speaker
from cnn_mellin.errors import DataError


@pytest.fixture
def partition(tmp_path):
    with write_partition(tmp_path / "p", PartitionDescription(1)) as writer:
        for i in range(60):
            writer.add(f"u{i:02d}", [[i]], [0])
    return read_partition(tmp_path / "p")


@pytest.mark.parametrize("proportion", [0.01, 0.1, 0.3, 0.99])
def test_train_and_dev_share_no_speaker_and_have_the_nearest_size(partition, proportion):
    speaker_of = {name: f"s{i % 20}" for i, name in enumerate(partition.utterance_ids)}
    split = split_by_speaker(partition, speaker_of, proportion)
    ids = [split.train.utterance_ids, split.dev.utterance_ids]
    assert sorted(ids[0] + ids[1]) == partition.utterance_ids
    speakers = [{speaker_of[name] for name in part} for part in ids]
    assert speakers[1] == set(split.dev_speakers)
    assert not speakers[0] & speakers[1]
    assert len(split.dev) == min(max(3, 3 * round(proportion * 20)), 57)
    assert split.dev.features_of(0).tolist() == [[int(split.dev.utterance_ids[0][1:])]]


def test_the_split_is_deterministic_and_depends_only_on_names(partition):
    first = split_by_speaker(partition, {}, 0.2)
    second = split_by_speaker(partition, dict.fromkeys(["elsewhere"], "s"), 0.2)
    assert first.dev.utterance_ids == second.dev.utterance_ids
    assert len(first.dev) == 12
    assert first.dev.digest == second.dev.digest != first.train.digest


def test_one_speaker_cannot_be_split(partition):
    with pytest.raises(DataError, match="has only one speaker"):
        split_by_speaker(partition, dict.fromkeys(partition.utterance_ids, "s"), 0.2)


@pytest.mark.parametrize("speaker_of", [{f"u{i}": f"s{i // 2}" for i in range(6)}, {}])
def test_dev_has_no_copies_at_other_speeds_and_train_none_of_devs_utterances(tmp_path, speaker_of):
    source = {"speeds": {"speeds": [0.9, 1.1], "resample": "x"}}
    with write_partition(tmp_path / "p", PartitionDescription(1, source=source)) as writer:
        for i in range(6):
            for suffix in ["", "_speed0.9", "_speed1.1"]:
                writer.add(f"u{i}{suffix}", [[i]], [0])
        writer.add("other_speed0.9", [[6]], [0])  # the recording has this name: there is no utterance `other`
    speaker_of |= {f"{name}_speed{speed}": s for name, s in speaker_of.items() for speed in (0.9, 1.1)}
    split = split_by_speaker(read_partition(tmp_path / "p"), speaker_of, 0.99)
    of_dev = split.dev.utterance_ids
    assert set(of_dev) < {*(f"u{i}" for i in range(6)), "other_speed0.9"}
    assert len(of_dev) >= 5
    assert {name.partition("_")[0] for name in split.train.utterance_ids}.isdisjoint(
        name.partition("_")[0] for name in of_dev
    )
    assert len(split.train) in (1, 3, 6)
