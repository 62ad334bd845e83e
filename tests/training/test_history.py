import math
from dataclasses import astuple

from cnn_mellin.training.history import EpochRecord, read_history, write_history


def test_records_are_read_as_they_were_written(tmp_path):
    records = [EpochRecord(i, 1e-3 / i, 2.5, 40.125 if i > 1 else math.nan, i, 0, 12.75, 3.5) for i in (1, 2)]
    write_history(tmp_path / "history.csv", records)
    read = read_history(tmp_path / "history.csv")
    assert list(map(repr, map(astuple, read))) == list(map(repr, map(astuple, records)))


def test_no_file_is_no_record(tmp_path):
    assert read_history(tmp_path / "history.csv") == []
