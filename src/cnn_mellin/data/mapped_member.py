"""Array in an uncompressed `.npz` archive, memory-mapped at its place in the archive."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["map_member"]

_LOCAL_HEADER = struct.Struct("<4s22x2H")  # signature, and lengths of the name and the extra field that follow it


def map_member(path: str | Path, name: str) -> NDArray[Any]:
    """Map an array of an archive that `numpy.savez` or `zipfile` wrote without compression.

    Unlike `numpy.load`, this neither reads the array nor compares the archive's checksum of it.

    Args:
        path: archive.
        name: name of the array.

    Raises:
        KeyError: the archive has no such array.
        ValueError: the array is compressed, holds Python objects, or its header is damaged.
        zipfile.BadZipFile: the file is not an archive.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/a.npz", values=np.arange(3), others=np.zeros(1))
    ...     map_member(folder + "/a.npz", "values").tolist()
    [0, 1, 2]
    """
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} of {Path(path).name} is compressed")
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if signature != b"PK\x03\x04":
            raise ValueError(f"{name} of {Path(path).name} has no header")
        file.seek(name_length + extra_length, 1)
        first = file.tell()
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} of {Path(path).name} has another version of numpy's format than 1.0")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        place = file.tell()
    if dtype.hasobject or fortran_order:
        raise ValueError(f"{name} of {Path(path).name} is an array of another kind")
    num_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if place - first + num_bytes != member.file_size:
        raise ValueError(f"{name} of {Path(path).name} has another size than its header says")
    if not num_bytes:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, "r", place, shape)
