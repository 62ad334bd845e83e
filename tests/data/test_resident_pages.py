import numpy as np

from cnn_mellin.data.resident_pages import ResidentPages


def resident_mb():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1000 for line in file if line.startswith("VmRSS:"))


def test_reading_a_large_file_does_not_raise_the_memory_of_the_process(tmp_path):
    with open(tmp_path / "values", "wb") as file:
        file.truncate(400_000_000)
    values = np.memmap(tmp_path / "values", np.float32, "r").view(np.ndarray)
    kept, pages, before = values[:3], ResidentPages(values), resident_mb()
    for first in range(0, len(values), 1_000_000):
        piece = values[first : first + 1_000_000]
        pages.touch(piece.nbytes)
        assert piece.sum() == 0
    assert resident_mb() - before < 100
    assert kept.tolist() == [0, 0, 0]
