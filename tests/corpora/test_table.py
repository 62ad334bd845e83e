import warnings

import pytest

from cnn_mellin.corpora.table import read_table
from cnn_mellin.errors import CorpusError


@pytest.fixture
def table(tmp_path):
    """Writes a table from rows beside a few audio files, and returns its path."""
    for name in ("a.wav", "b.flac", "deep/a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def write(*rows: str):
        path = tmp_path / "corpus.tsv"
        path.write_text("".join("\t".join(row.split(",")) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def test_columns_in_any_order(table):
    path = table("Speaker,partition,transcript,audio,utterance", "s2,dev,x,b.flac,", "s1,,x  y,a.wav,u1", "")
    parts = read_table(path)
    assert {part: [(u.utterance_id, u.speaker, u.labels) for u in us] for part, us in parts.items()} == {
        "train": [("u1", "s1", ("x", "y"))],
        "dev": [("b", "s2", ("x",))],
    }
    assert list(parts) == ["train", "dev"]
    assert parts["train"][0].audio_path == path.parent / "a.wav"


def test_least_columns(table):
    parts = read_table(table("audio,transcript", "b.flac,x", "a.wav,y"))
    assert [(u.utterance_id, u.speaker) for u in parts["train"]] == [("a", "a"), ("b", "b")]


def test_columns_that_are_not_read_are_named(table):
    with pytest.warns(UserWarning, match="columns not read: age, accent"):
        read_table(table("audio,transcript,age,accent", "a.wav,x,9,none"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_table(table("audio,transcript", "a.wav,x"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["audio,text", "a.wav,x"], r"tsv:1: has columns \['audio', 'text'\], but no transcript; the first line must"),
        (["audio,audio,transcript"], "tsv:1: .*each may be there once"),
        (["audio,transcript", "a.wav,x,y"], "tsv:2: has 3 fields, but the header 2"),
        (["audio,transcript", "a.wav,x", "none.wav,y"], "tsv:3: .*none.wav does not exist; paths are relative"),
        (["audio,transcript", ",x"], "tsv:2: has no audio file"),
        (["audio,transcript", "a.wav,"], "tsv:2: has no symbol"),
        (["audio,transcript", "a.wav,x", "deep/a.wav,x"], "tsv:3: utterance a is there a second time, after line 2"),
        (["audio,transcript,partition", "a.wav,x,ext"], "tsv:2: partition 'ext' is the name of a folder"),
        (["audio,transcript,partition", "a.wav,x,test"], r"no utterance of partition train; it has \['test'\]"),
        (["audio,transcript"], "no utterance of partition train; it has none at all"),
    ],
)
def test_what_is_wrong_is_named(table, rows, message):
    with pytest.raises(CorpusError, match=message):
        read_table(table(*rows))
