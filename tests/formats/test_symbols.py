import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.symbols import read_symbols, write_symbols


def test_written_symbols_are_read_back(tmp_path):
    write_symbols(tmp_path / "ext", ["sil", "aa", "zh"])
    assert read_symbols(tmp_path / "ext") == ["sil", "aa", "zh"]
    assert (tmp_path / "ext" / "id2token.txt").read_text() == "0 sil\n1 aa\n2 zh\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 0\nb\n", r"token2id.txt:2: 'b' is not a symbol and its class"),
        ("a 0\nb x\n", r"token2id.txt:2: 'b x' is not a symbol and its class"),
        ("a 0\nb 0\n", r"token2id.txt:2: duplicate symbol or class in 'b 0'"),
        ("a 0\na 1\n", r"token2id.txt:2: duplicate symbol or class in 'a 1'"),
        ("a 0\nb " + "9" * 5000 + "\n", "token2id.txt:2: 'b 9+' is not a symbol and its class"),
        ("a 0\n(b) 1\n", r"token2id.txt:2: symbol '\(b\)' has a bracket"),
        ("a 0\nb\0 1\n", r"token2id.txt:2: symbol 'b\\x00' has '\\x00', a control character"),
        ("a 0\nb 2\n", "classes must be 0, 1, 2, ... without a gap"),
        ("", "without a gap"),
    ],
)
def test_wrong_lines_are_named(tmp_path, text, message):
    (tmp_path / "token2id.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_symbols(tmp_path)


def test_the_error_names_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="token2id.txt: does not exist"):
        read_symbols(tmp_path)


def test_a_byte_order_mark_is_not_part_of_the_first_symbol(tmp_path):
    (tmp_path / "token2id.txt").write_bytes(b"\xef\xbb\xbfa 0\r\n{ 1\r\n")
    assert read_symbols(tmp_path) == ["a", "{"]
