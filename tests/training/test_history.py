import math
import re
from dataclasses import astuple

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.training.history import EpochRecord, read_history, write_history


def test_records_are_read_as_they_were_written(tmp_path):
    records = [EpochRecord(i, 1e-3 / i, 2.5, 40.125 if i > 1 else math.nan, i, 0, 12.75, 3.5) for i in (1, 2)]
    write_history(tmp_path / "history.csv", records)
    read = read_history(tmp_path / "history.csv")
    assert list(map(repr, map(astuple, read))) == list(map(repr, map(astuple, records)))


def test_a_missing_file_has_no_records(tmp_path):
    assert read_history(tmp_path / "history.csv") == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("epoch,", "epok,", "history.csv:1: has no column 'epoch'; delete it, and the same training writes it again"),
        (
            "40.125",
            "x",
            "history.csv:2: is not a line of a training's history (could not convert string to float: 'x')",
        ),
        (",3.5", "", "history.csv:2: is not a line of a training's history"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, old, new, why):
    path = tmp_path / "history.csv"
    write_history(path, [EpochRecord(1, 1e-3, 2.5, 40.125, 1, 0, 12.75, 3.5)])
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=re.escape(why)):
        read_history(path)


def test_a_byte_order_mark_is_not_part_of_a_column_name(tmp_path):
    records = [EpochRecord(1, 1e-3, 2.5, 40.125, 1, 0, 12.75, 3.5)]
    write_history(tmp_path / "history.csv", records)
    content = (tmp_path / "history.csv").read_bytes()
    (tmp_path / "history.csv").write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert read_history(tmp_path / "history.csv") == records
