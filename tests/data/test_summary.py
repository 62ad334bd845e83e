import numpy as np
import pytest

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.summary import summarise_partition
from cnn_mellin.data.tensor_files import write_tensor_files
from cnn_mellin.errors import DataError


def test_summary_of_either_format(tmp_path):
    with write_partition(tmp_path / "train", PartitionDescription(2, 10.0, "toy")) as writer:
        for i, (length, symbols) in enumerate([(100, [0, 1]), (300, [1]), (200, [1, 1, 5, 5])]):
            writer.add(f"u{i}", np.zeros((length, 2)), symbols)
    found = summarise_partition(tmp_path / "train")
    assert (found.num_utterances, found.num_frames, found.frame_lengths) == (3, 600, (100, 200, 300))
    assert (found.num_symbols, found.symbol_lengths, found.num_classes) == (7, (1, 2, 4), 3)
    assert found.hours == pytest.approx(6 / 3600)
    assert (found.feature_type, found.num_coefficients, found.frame_shift_ms) == ("toy", 2, 10.0)
    assert 4800 < found.size_bytes < 10000
    assert found.digest == read_partition(tmp_path / "train").digest
    write_tensor_files(read_partition(tmp_path / "train"), tmp_path / "files")
    files = summarise_partition(tmp_path / "files")
    assert (files.hours, files.feature_type) == (None, "")
    assert (files.frame_lengths, files.symbol_lengths) == (found.frame_lengths, found.symbol_lengths)


def test_copies_at_other_speeds_are_counted(tmp_path):
    with write_partition(tmp_path / "train", PartitionDescription(2, source={"speeds": {"speeds": [0.9]}})) as writer:
        for name in ("u", "u_speed0.9", "u_speed1.1"):
            writer.add(name, np.zeros((3, 2)), [0])
    assert summarise_partition(tmp_path / "train").num_speed_copies == 1


def test_an_empty_partition_and_a_missing_one(tmp_path):
    with write_partition(tmp_path / "train", PartitionDescription(2)):
        pass
    found = summarise_partition(tmp_path / "train")
    assert (found.num_utterances, found.frame_lengths, found.symbol_lengths) == (0, (0, 0.0, 0), (0, 0.0, 0))
    with pytest.raises(DataError, match="is not a data directory"):
        summarise_partition(tmp_path)
