from pathlib import Path

import pytest
import torch

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.models import AcousticModel, AcousticModelConfig
from cnn_mellin.training.evaluation import partition_error_rate


def percent(folder: Path, symbols: list[str]) -> float:
    """Phone error rate where class 0 is spoken and class 1 is recognised."""
    if not (folder / "dev").exists():
        with write_partition(folder / "dev", PartitionDescription(2, 10.0, "toy")) as writer:
            writer.add("u", torch.zeros(6, 2).numpy(), [0])
    (folder / "ext").mkdir(exist_ok=True)
    model = AcousticModel(2, len(symbols) + 1, AcousticModelConfig(convolutional_layers=0, recurrent_layers=1, seed=1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        biases = [value for name, value in model.named_parameters() if value.shape == (len(symbols) + 1,)]
        biases[-1][1] = 1
    return partition_error_rate(model.eval(), read_partition(folder / "dev"), symbols).percent


@pytest.mark.parametrize(("symbols", "expected"), [(["ix", "ih"], 0), (["ix", "tone1"], 100)])
def test_without_a_record_symbols_that_all_are_timit_phones_are_folded(tmp_path, symbols, expected):
    assert percent(tmp_path, symbols) == expected


@pytest.mark.parametrize(("folded", "expected"), [(True, 0), (False, 100)])
def test_the_record_beside_the_partition_decides_on_folding(tmp_path, folded, expected):
    (tmp_path / "ext").mkdir()
    write_folding(tmp_path / "ext", folded=folded)
    assert percent(tmp_path, ["ix", "ih"]) == expected
