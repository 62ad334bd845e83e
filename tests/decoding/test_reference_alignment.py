import logging

import pytest
import torch

from cnn_mellin.data import PartitionDescription, read_partition, write_partition
from cnn_mellin.decoding.logit_source import LogitSource
from cnn_mellin.decoding.reference_alignment import align_references
from cnn_mellin.errors import DataError

REFERENCES = {"u1": [0, 1], "u2": [1, 1], "u3": [1, 0]}


@pytest.fixture
def partition(tmp_path):
    with write_partition(tmp_path / "dev", PartitionDescription(1, frame_shift_ms=10)) as writer:
        for name, reference in REFERENCES.items():
            writer.add(name, [[0.0]] * 8, reference)
    return read_partition(tmp_path / "dev")


def source(partition, frame_shift_ms=10.0):
    """Two batches, of which the first has u3 and u1, with two input frames per output frame."""
    best = {"u1": [0, 2, 2, 1], "u2": [1, 1], "u3": [1, 1, 0]}
    batches = []
    for names in (["u3", "u1"], ["u2"]):
        lengths = torch.tensor([len(best[name]) for name in names])
        padded = torch.tensor([best[name] + [0] * (int(lengths.max()) - len(best[name])) for name in names])
        batches.append((names, 9 * torch.eye(3)[padded], lengths))
    return LogitSource(partition.path, 3, ["a", "b"], batches, frame_shift_ms, stride=2)


def test_symbols_have_the_times_of_their_output_frames(partition, caplog):
    with caplog.at_level(logging.WARNING):
        found = align_references(source(partition), partition)
    assert found == {
        "u1": [(0.0, 0.02, "a"), (0.06, 0.08, "b")],
        "u3": [(0.0, 0.04, "b"), (0.04, 0.06, "a")],
    }
    assert caplog.messages == [f"{partition.path}: 1 utterances have fewer frames than symbols and are not aligned: u2"]


def test_times_need_a_frame_shift(partition):
    with pytest.raises(DataError, match="dev: does not hold its frame shift, which times need"):
        align_references(source(partition, None), partition)
