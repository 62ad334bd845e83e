import numpy as np
import pytest
import torch

from cnn_mellin.data.logits_folder import read_logits, write_logits
from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.decoding.logit_source import LogitSource, partition_logits
from cnn_mellin.errors import DataError
from cnn_mellin.models import AcousticModel, AcousticModelConfig

SYMBOLS = ["aa", "b"]


@pytest.fixture
def partition(tmp_path):
    with write_partition(tmp_path / "dev", PartitionDescription(4, 10.0)) as writer:
        for i in range(3):
            writer.add(f"u{i}", np.random.default_rng(i).normal(size=(9 + i, 4)), [0])
    return read_partition(tmp_path / "dev")


def model(num_features: int = 4) -> AcousticModel:
    config = AcousticModelConfig(
        window_stride=2, convolutional_layers=0, recurrent_layers=1, recurrent_size=4, seed=1, window_size=3
    )
    return AcousticModel(num_features, 3, config)


def test_written_logits_are_those_of_the_model(partition, tmp_path, device):
    source = LogitSource.of_model(model().to(device), partition, SYMBOLS)
    assert (source.num_utterances, source.frame_shift_ms, source.stride) == (3, 10.0, 2)
    write_logits(tmp_path / "logits", source.batches, SYMBOLS, frame_shift_ms=20.0)
    written = LogitSource.of_folder(read_logits(tmp_path / "logits"), partition)
    assert (written.partition_path, written.frame_shift_ms, written.stride) == (partition.path, 20.0, 1)
    ((ids, logits, lengths),) = written.batches
    ((expected_ids, expected, expected_lengths),) = partition_logits(model(), partition)
    assert ids == expected_ids
    assert lengths.tolist() == expected_lengths.tolist()
    for rows, expected_rows, length in zip(logits, expected, lengths.tolist(), strict=True):
        torch.testing.assert_close(rows[:length], expected_rows[:length], rtol=0, atol=0 if device == "cpu" else 1e-6)


def test_other_features_and_other_utterances_are_refused(partition, tmp_path):
    with pytest.raises(DataError, match="dev: has 4 coefficients per frame, but exp/m was trained on 5"):
        LogitSource.of_model(model(5), partition, SYMBOLS, trained_by="exp/m")
    for names, fault in ((["u0"], "lacks 2 utterances of .*dev: u1, u2"), (["u0", "u1", "u2", "x"], "has 1 utterance")):
        write_logits(tmp_path / "l", [([name], torch.ones(1, 3, 3), torch.tensor([3])) for name in names], SYMBOLS)
        with pytest.raises(DataError, match=fault):
            LogitSource.of_folder(read_logits(tmp_path / "l"), partition)
