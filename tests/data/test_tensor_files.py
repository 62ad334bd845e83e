import numpy as np
import pytest
import torch

from cnn_mellin.data.partition import read_partition
from cnn_mellin.data.partition_description import PartitionDescription
from cnn_mellin.data.partition_writer import write_partition
from cnn_mellin.data.tensor_files import open_partition, read_tensor_files, write_tensor_files
from cnn_mellin.errors import DataError


@pytest.fixture
def exported(tmp_path):
    with write_partition(tmp_path / "packed", PartitionDescription(2)) as writer:
        writer.add("a", [[1, 2], [3, 4], [5, 6]], [[0, 0, 1], [3, 1, 3]])
        writer.add("b", [[7, 8]], [1])
    write_tensor_files(read_partition(tmp_path / "packed"), tmp_path / "files")
    return tmp_path / "files"


def test_exported_tensors_have_the_predecessors_format(exported):
    features = torch.load(exported / "feat" / "a.pt", weights_only=True)
    reference = torch.load(exported / "ref" / "a.pt", weights_only=True)
    assert (features.dtype, features.shape) == (torch.float32, (3, 2))
    assert (reference.dtype, reference.tolist()) == (torch.int64, [[0, 0, 1], [3, 1, 3]])


def test_both_formats_are_opened_with_equal_content(tmp_path, exported):
    packed, files = open_partition(tmp_path / "packed"), open_partition(exported)
    assert packed.utterance_ids == files.utterance_ids
    for name in ("features", "frame_offsets", "references", "reference_offsets"):
        assert np.array_equal(getattr(packed, name), getattr(files, name))


def test_references_without_times_and_other_dtypes_are_read(exported):
    torch.save(torch.tensor([4, 5], dtype=torch.int32), exported / "ref" / "b.pt")
    torch.save(torch.ones(1, 2, dtype=torch.float64), exported / "feat" / "b.pt")
    partition = read_tensor_files(exported)
    assert partition.reference_of(1).tolist() == [[4, -1, -1], [5, -1, -1]]
    assert partition.features.dtype == np.float32


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("feat/a.pt", None, "only in feat/ or only in ref/: a; each utterance needs both"),
        ("ref/b.pt", None, "only in feat/ or only in ref/: b; each utterance needs both"),
        ("feat/b.pt", torch.ones(1, 3), "has 3 coefficients, not 2 as in feat/a.pt"),
        ("feat/b.pt", torch.ones(3), r"feat/b.pt: holds torch.Size\(\[3\]\), not a tensor"),
        ("ref/b.pt", torch.ones(3, 2), r"ref/b.pt: has shape \(3, 2\)"),
        ("feat/b.pt", b"garbage", "feat/b.pt: is not a saved tensor"),
        ("feat/b.pt", Bomb(), "feat/b.pt: is not a saved tensor"),
    ],
)
def test_faults_are_named_and_no_code_in_a_file_is_executed(exported, capsys, name, content, message):
    path = exported / name
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(DataError, match=message):
        read_tensor_files(exported)
    assert "executed" not in capsys.readouterr().out
