import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.scoring_folding import is_folded, write_folding


@pytest.mark.parametrize("folded", [True, False])
def test_the_record_counts_whatever_the_default_is(tmp_path, folded):
    write_folding(tmp_path, folded=folded)
    assert is_folded(tmp_path, default=True) == is_folded(tmp_path, default=False) == folded


def test_without_a_record_the_default_counts(tmp_path):
    assert is_folded(tmp_path)
    assert not is_folded(tmp_path / "none", default=False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "folded_to is missing"),
        ('{"folded_to": "39"}', "folded_to is '39', not a whole number"),
        ('{"folded_to": 48}', "folded_to is 48, not 39 or null"),
        ('{"folded_to": 0}', "folded_to is 0, not 39 or null"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, text, why):
    (tmp_path / "scoring.json").write_text(text)
    with pytest.raises(DataError, match=rf"scoring.json: is damaged \({why}.*\); prepare the corpus again"):
        is_folded(tmp_path)
