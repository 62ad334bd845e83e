import json
from pathlib import Path

import pytest

from cnn_mellin.decoding.n_best import write_n_best


def test_lines_are_sorted_and_lists_keep_their_order(tmp_path: Path) -> None:
    write_n_best(tmp_path / "x.jsonl", {"b": [(["t"], -1.25), ([], -3.0)], "a": []})
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert lines == [
        {"utterance": "a", "n_best": []},
        {"utterance": "b", "n_best": [{"score": -1.25, "phones": ["t"]}, {"score": -3.0, "phones": []}]},
    ]


def test_no_file_is_left_if_a_score_is_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_n_best(tmp_path / "x.jsonl", {"a": [(["t"], float("nan"))]})
    assert not list(tmp_path.iterdir())
