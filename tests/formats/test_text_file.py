from __future__ import annotations

import gzip

import pytest

from cnn_mellin.errors import CorpusError, DataError, SettingsError
from cnn_mellin.formats.text_file import parse_json, parse_yaml, read_json, read_lines, read_text


def test_byte_order_marks_and_windows_line_ends_are_removed(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfaa\r\nbb\x0c\xc2\x85\xe2\x80\xa8cc\n")
    assert read_lines(tmp_path / "a.txt") == ["aa", "bb\x0c\x85\u2028cc"]


def test_the_error_names_the_line_of_bytes_that_are_not_utf8(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"aa\nb\xe9\n")
    with pytest.raises(SettingsError, match=r"a.txt:2: is not UTF-8 text \(byte 0xe9\); convert it .*; expected words"):
        read_text(tmp_path / "a.txt", SettingsError, expected="words")
    with pytest.raises(CorpusError, match="a.txt:2: is not UTF-8") as raised:
        read_text(tmp_path / "a.txt", CorpusError)
    assert raised.value.line == 2


@pytest.mark.parametrize(("make", "why"), [(lambda path: path.mkdir(), "cannot be read"), (str, "does not exist")])
def test_a_path_that_is_not_a_file_is_refused_in_one_line(tmp_path, make, why):
    make(tmp_path / "a")
    with pytest.raises(DataError, match=f"a: {why}.*; expected lines"):
        read_text(tmp_path / "a", expected="lines")


def test_the_size_is_limited(tmp_path):
    (tmp_path / "a").write_text("x" * 11)
    assert len(read_text(tmp_path / "a", max_bytes=11)) == 11
    with pytest.raises(DataError, match="is larger than"):
        read_text(tmp_path / "a", max_bytes=10)


def test_a_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "good.gz").write_bytes(gzip.compress(b"aa\n"))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(1 << 24)))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"aa bb cc dd\n")[:-9])
    assert read_text(tmp_path / "good.gz", compressed=True) == "aa\n"
    with pytest.raises(DataError, match="grows from .* unlike text"):
        read_text(tmp_path / "bomb.gz", compressed=True)
    with pytest.raises(DataError, match="is not a whole gzip file"):
        read_text(tmp_path / "cut.gz", compressed=True)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_deep_nesting_is_refused_in_one_line(parse):
    with pytest.raises(DataError, match="a: is nested too deeply"):
        parse("[" * 100_000 + "]" * 100_000, "a")


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_up_to_a_hundred_levels_are_read(parse):
    assert parse("[" * 100 + "]" * 100, "a") is not None
    with pytest.raises(DataError, match="a: is nested too deeply; expected .* of a few levels"):
        parse("[" * 101 + "]" * 101, "a")


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_a_lone_surrogate_is_refused(parse):
    with pytest.raises(DataError, match=r"a: has '\\ud800', half of a surrogate pair; write the character itself"):
        parse('{"a": ["\\ud800"]}', "a")


@pytest.mark.parametrize("text", ["a: 1\nb: {c: 1, d: [e, e], c: 2}\n", "x: 0\na: 1\na: 2\n"])
def test_duplicate_names_of_yaml_are_refused(text):
    with pytest.raises(DataError, match="a:[23]: duplicate name '[ac]'; keep one"):
        parse_yaml(text, "a")
    assert parse_yaml("a: {a: 1, b: {a: 1}}\nb: 1\n", "a") == {"a": {"a": 1, "b": {"a": 1}}, "b": 1}


def test_aliases_of_yaml_are_refused():
    with pytest.raises(SettingsError, match=r"a:2: alias \*a: aliases are not allowed"):
        parse_yaml("a: &a [1, 1]\nb: [*a, *a]\n", "a", SettingsError)
    assert parse_yaml("a: '*b'\n", "a") == {"a": "*b"}


def test_a_json_value_that_is_not_an_object_is_refused(tmp_path):
    (tmp_path / "a").write_text("[1]")
    with pytest.raises(DataError, match="holds a JSON list; expected an object"):
        read_json(tmp_path / "a")
    (tmp_path / "a").write_text('\ufeff{"a": 1}', encoding="utf-8")
    assert read_json(tmp_path / "a") == {"a": 1}
