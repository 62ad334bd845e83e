import numpy as np
import pytest

from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.errors import DataError
from cnn_mellin.formats.symbols import write_symbols
from cnn_mellin.search.study_data import open_study_data


def test_damaged_features_are_refused(tmp_path):
    write_symbols(tmp_path / "ext", ["aa"])
    with write_partition(tmp_path / "train", PartitionDescription(4)) as writer:
        for name in ("a", "b", "c"):
            writer.add(name, np.ones((5, 4)), [0])
    assert len(open_study_data(tmp_path / "train", 0.3).train) == 2
    content = bytearray((tmp_path / "train" / "features.npy").read_bytes())
    content[200] ^= 1
    (tmp_path / "train" / "features.npy").write_bytes(content)
    with pytest.raises(DataError, match="train: is damaged .features, references or ids are not what was written"):
        open_study_data(tmp_path / "train", 0.3)
