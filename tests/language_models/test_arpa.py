import gzip
from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.language_models.arpa import Ngrams, arpa_tokens, read_arpa, write_arpa

NGRAMS: Ngrams = [
    {("<s>",): (-99.0, -0.25), ("</s>",): (-0.5, 0.0), ("t",): (-0.25, -0.125), ("d",): (-1.5, 0.0)},
    {("<s>", "t"): (-0.125, 0.0), ("t", "</s>"): (-1.0, 0.0)},
]
TEXT = """A comment.

\\data\\
ngram 1=2
ngram 2=1

\\1-grams:
-0.5 a -0.25
-0.5\tb

\\2-grams:
-0.1\ta b

\\end\\
"""


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_a_written_file_is_read_back(tmp_path: Path, name: str) -> None:
    write_arpa(tmp_path / name, NGRAMS)
    assert read_arpa(tmp_path / name) == NGRAMS
    first = (tmp_path / name).read_bytes()
    assert first[:2] == (b"\x1f\x8b" if name.endswith("gz") else b"\\d")
    write_arpa(tmp_path / name, NGRAMS)
    assert (tmp_path / name).read_bytes() == first


def test_entries_are_tab_separated(tmp_path: Path) -> None:
    write_arpa(tmp_path / "lm", NGRAMS)
    lines = (tmp_path / "lm").read_text().splitlines()
    assert "-0.25\tt\t-0.125" in lines
    assert "-0.125\t<s> t" in lines


def test_spaces_comments_and_omitted_weights_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "lm").write_text(TEXT)
    assert read_arpa(tmp_path / "lm") == [{("a",): (-0.5, -0.25), ("b",): (-0.5, 0.0)}, {("a", "b"): (-0.1, 0.0)}]
    assert arpa_tokens(read_arpa(tmp_path / "lm")) == ["a", "b"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "lm: has no .data. line"),
        ("ngram 2=1", "ngram 3=1", "lm:5: 'ngram 3=1' is not 'ngram 2=COUNT'"),
        ("ngram 2=1", "ngram 2=x", "lm:5: 'ngram 2=x' is not"),
        ("ngram 1=2", "ngram 1=3", "lm: has 2 1-grams, but its head promises 3"),
        ("\\2-grams:", "\\3-grams:", r"lm:11: '.*3-grams:' is not the heading"),
        ("-0.5 a -0.25", "0.5 a -0.25", r"lm:8: '0.5 a -0.25' is not 'LOG10_PROBABILITY 1 word"),
        ("-0.5 a -0.25", "-0.5", r"lm:8: '-0.5' is not 'LOG10_PROBABILITY 1 word"),
        ("-0.5 a -0.25", "-0.5 a b", r"lm:8: '-0.5 a b' is not"),
        ("-0.5 a -0.25", "nan a", r"lm:8: 'nan a' is not"),
        ("-0.1\ta b", "-0.1\ta b -1 -1", r"lm:12: .* is not 'LOG10_PROBABILITY 2 word"),
        ("-0.1\ta b", "-0.1\ta b -1", "lm:12: .* has a back-off weight, but 2-grams are the longest; leave it out"),
        ("-0.1\ta b", "-0.1\ta c", "lm:12: .* has 'c', which is not among the 1-grams"),
        ("-0.5\tb", "-0.5\ta", "lm:9: .* is a duplicate of 'a'; delete"),
        ("\\end\\\n", "", r"lm:13: ends without \\end\\; it is truncated"),
        ("\n\n\\end\\\n", "", r"lm:12: ends without \\end\\; it is truncated"),
        ("\n\\2-grams:\n-0.1\ta b\n\n\\end\\\n", "", r"lm:9: ends without \\2-grams:; it is truncated"),
        ("\\end\\\n", "\\3-grams:\n", r"lm:14: '.*3-grams:' is not the heading \\end\\"),
        ("\\end\\\n", "\\end\\\n\\data\\\n", r"lm:15: '.*data.*' follows \\end\\, .* keep one model per file"),
        ("ngram 1=2\nngram 2=1\n", "", "lm: has no line 'ngram 1=COUNT' in its head"),
        ("ngram 1=2", "ngram 1=" + "9" * 5000, "lm:4: 'ngram 1=9+' is not 'ngram 1=COUNT'"),
        ("ngram 2=1\n", "ngram 2=1", "lm:5: .* is not 'ngram 2=COUNT'"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = TEXT.replace(old, new, 1)
    if old == "ngram 2=1\n":
        text = text.replace("ngram 2=1", "ngram 2=1 x")
    (tmp_path / "lm").write_text(text)
    with pytest.raises(DataError, match=message):
        read_arpa(tmp_path / "lm")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lm: does not exist; expected an ARPA file"):
        read_arpa(tmp_path / "lm")
    (tmp_path / "lm").write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(DataError, match="lm: is not a whole gzip file"):
        read_arpa(tmp_path / "lm")
    (tmp_path / "lm").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="lm:1: is not UTF-8"):
        read_arpa(tmp_path / "lm")
    (tmp_path / "lm").write_text("\\data\\\nngram 1=2\n")
    with pytest.raises(DataError, match=r"lm:2: ends without \\1-grams:"):
        read_arpa(tmp_path / "lm")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n\n\\", "\n\\"),  # no blank line before a heading
        ("\n\n", "\n \t\n\n\n"),
        ("\n", "\r\n"),
        ("\n", " \n  "),
        ("ngram 1=2", "ngram  1 =\t 2 "),
        ("-0.1\ta b", "-0.1\ta b\t0"),
        ("\n\n\\2", "\n\n-0.2\tc\n\n\\2"),
        ("A comment.", "\ufeff"),
    ],
)
def test_files_of_other_toolkits_are_read(tmp_path: Path, old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    unigrams = {("a",): (-0.5, -0.25), ("b",): (-0.5, 0.0)}
    if "-0.2\tc" in new:
        text, unigrams = text.replace("ngram 1=2", "ngram 1=3"), {**unigrams, ("c",): (-0.2, 0.0)}
    (tmp_path / "lm").write_bytes(text.encode())
    assert read_arpa(tmp_path / "lm") == [unigrams, {("a", "b"): (-0.1, 0.0)}]


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lm.gz").write_bytes(gzip.compress(TEXT.encode() + b" " * (1 << 24)))
    with pytest.raises(DataError, match="lm.gz: grows from .* unlike text"):
        read_arpa(tmp_path / "lm.gz")
