import csv
import io
import warnings

import pytest

from cnn_mellin.corpora.table import read_table
from cnn_mellin.errors import CorpusError


@pytest.fixture
def table(tmp_path):
    """Function that writes rows to a table beside some audio files, and returns its path."""
    for name in ("a.wav", "b.flac", "deep/a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def write(*rows: str):
        path = tmp_path / "corpus.tsv"
        path.write_text("".join("\t".join(row.split(",")) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def test_columns_may_have_any_order(table):
    path = table("Speaker,partition,transcript,audio,utterance", "s2,dev,x,b.flac,", "s1,,x  y,a.wav,u1", "")
    parts = read_table(path)
    assert {part: [(u.utterance_id, u.speaker, u.labels) for u in us] for part, us in parts.items()} == {
        "train": [("u1", "s1", ("x", "y"))],
        "dev": [("b", "s2", ("x",))],
    }
    assert list(parts) == ["train", "dev"]
    assert parts["train"][0].audio_path == path.parent / "a.wav"


def test_only_two_columns_are_required(table):
    parts = read_table(table("audio,transcript", "b.flac,x", "a.wav,y"))
    assert [(u.utterance_id, u.speaker) for u in parts["train"]] == [("a", "a"), ("b", "b")]


def test_the_warning_names_unread_columns(table):
    with pytest.warns(UserWarning, match="columns not read: age, accent"):
        read_table(table("audio,transcript,age,accent", "a.wav,x,9,none"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_table(table("audio,transcript", "a.wav,x"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["audio,text", "a.wav,x"], r"tsv:1: has columns \['audio', 'text'\], but no transcript; the first line must"),
        (["audio,audio,transcript"], "tsv:1: has duplicate columns, .*; name each only once"),
        (["audio,transcript", "a.wav,x,y"], "tsv:2: has 3 fields, but the header has 2"),
        (["audio,transcript", "a.wav,x", "none.wav,y"], "tsv:3: .*none.wav does not exist; paths are relative"),
        (["audio,transcript", ",x"], "tsv:2: has no audio file"),
        (["audio,transcript", "a.wav,"], "tsv:2: has no symbol"),
        (["audio,transcript", "a.wav,x", "deep/a.wav,x"], "tsv:3: duplicate utterance id a, as in line 2"),
        (["audio,transcript,partition", "a.wav,x,ext"], "tsv:2: partition 'ext' is reserved"),
        (["audio,transcript,partition", "a.wav,x,test"], r"no utterance of partition train; it has \['test'\]"),
        (["audio,transcript"], "no utterance of partition train; it has none at all"),
    ],
)
def test_what_is_wrong_is_named(table, rows, message):
    with pytest.raises(CorpusError, match=message):
        read_table(table(*rows))


def read_as_written(path, text):
    """Transcripts of a table with a given text."""
    path.write_text(text, encoding="utf-8", newline="")
    return {u.utterance_id: " ".join(u.labels) for u in read_table(path)["train"]}


def test_marks_of_x_sampa_are_symbols(table):
    path = table("audio,transcript")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_as_written(path, 'audio\ttranscript\na.wav\t"s i\nb.flac\ta @ { "" b"\n')
    assert found == {"a": '"s i', "b": 'a @ { "" b"'}


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_quoted_fields_of_spreadsheets_are_read_without_the_quotes(table, quoting, line_end):
    transcripts = {"a": '"s i', "b": 'a, b\t"" _"'}
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", quoting=quoting, lineterminator=line_end)
    writer.writerows([("audio", "transcript"), ("a.wav", transcripts["a"]), ("b.flac", transcripts["b"])])
    path = table("audio,transcript")
    with pytest.warns(
        UserWarning, match="are in quotation marks, as spreadsheets write them, and are read without them"
    ):
        assert read_as_written(path, text.getvalue()) == {"a": '"s i', "b": 'a, b "" _"'}


def test_the_warning_shows_the_effect_of_unquoting(table):
    path = table("audio,transcript")
    with pytest.warns(UserWarning, match='fields of 2 lines .*: in line 2 """s i" is "s i$'):
        read_as_written(path, 'audio\ttranscript\na.wav\t"""s i"\nb.flac\t"a, b" \n')


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (('a.wav\t"s i', 'b.flac\t"a, b"'), 'tsv:3: field "a, b" is in quotation marks, but in line 2 a mark is a sym'),
        (('a.wav\t"s i', 'b.flac\t"a\tb"'), 'tsv:3: field "a\tb" is in quotation marks, but in line 2'),
        (('"a.wav"\t"s i',), 'tsv:2: field "a.wav" is in quotation marks, but in line 2'),
        (('a.wav\t"s', 'i"'), "tsv:3: has 1 fields, but the header has 2"),
        (('a.wav\t""',), "tsv:2: has no symbol"),
    ],
)
def test_ambiguous_quotation_marks_are_refused(table, rows, message):
    path = table("audio,transcript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(CorpusError, match=message):
            read_as_written(path, "\n".join(["audio\ttranscript", *rows]))


def test_nist_alternatives_are_refused(table):
    with pytest.raises(CorpusError, match="tsv:2: has alternatives, '{ b / t / @ }'"):
        read_table(table("audio,transcript", "a.wav,x { b / t / @ }"))
