from __future__ import annotations

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.identifier import identifier_fault, require_identifier


@pytest.mark.parametrize("name", ["a", "mary-1", "é" * 100, "日本", "a.b;c", "_", "-a", "x" * 200, "a'b", "50%"])
def test_printable_names_are_accepted(name):
    assert identifier_fault(name) is None
    assert require_identifier(name, "utterance") == name


@pytest.mark.parametrize(
    "name", ["", "a b", "a\x00", "a\x1b[2J", "a/b", "a\\b", "(a", ".a", ";a", "x" * 201, "é" * 101, "a\u200b", "\udce9"]
)
def test_other_names_are_refused_in_one_printable_line(name):
    with pytest.raises(
        DataError, match=r"^t.tsv:3: speaker .* an identifier has 1 to 200 bytes .*; rename it$"
    ) as raised:
        require_identifier(name, "speaker", "t.tsv:3")
    assert str(raised.value).isprintable()
