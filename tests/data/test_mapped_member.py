import zipfile

import numpy as np
import pytest

from cnn_mellin.data.mapped_member import map_member


def test_arrays_are_mapped_and_empty_ones_read(tmp_path):
    np.savez(tmp_path / "a.npz", first=np.arange(6.0).reshape(2, 3), empty=np.zeros((0, 3), np.int32))
    first, empty = (map_member(tmp_path / "a.npz", name) for name in ("first", "empty"))
    assert isinstance(first, np.memmap)
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert empty.shape == (0, 3)
    assert empty.dtype == np.int32


def test_what_cannot_be_mapped_is_named(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", values=np.zeros(1000))
    with pytest.raises(ValueError, match="values of a.npz is compressed"):
        map_member(tmp_path / "a.npz", "values")
    np.savez(tmp_path / "b.npz", values=np.asfortranarray(np.zeros((2, 2))))
    with pytest.raises(ValueError, match="values of b.npz is an array of another kind"):
        map_member(tmp_path / "b.npz", "values")
    with pytest.raises(KeyError):
        map_member(tmp_path / "b.npz", "others")
    (tmp_path / "c.npz").write_bytes(b"no archive")
    with pytest.raises(zipfile.BadZipFile):
        map_member(tmp_path / "c.npz", "values")
