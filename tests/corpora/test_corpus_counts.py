import pytest

from cnn_mellin.corpora.corpus_counts import require_counts
from cnn_mellin.errors import CorpusError


def test_every_wrong_count_is_named():
    require_counts("x", "FSDD", {"a": 1, "b": 2}, {"a": 1, "b": 2})
    with pytest.raises(
        CorpusError, match=r"^x: is not the whole FSDD: it has 2 b, not 3; 0 c, not 1; use partial=True to accept it$"
    ):
        require_counts("x", "FSDD", {"a": 1, "b": 2, "c": 0}, {"a": 1, "b": 3, "c": 1})
