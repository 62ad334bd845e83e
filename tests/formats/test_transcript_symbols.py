from pathlib import Path

import pytest

from cnn_mellin.errors import CorpusError
from cnn_mellin.formats.transcript_symbols import parse_transcript, read_lines, require_name


@pytest.mark.parametrize("name", ["a b", "a(1)", "a/b", ".a", ";a", "", "a\\b", "a\x00", "\x1b[1m", "é" * 101])
def test_names_that_break_the_rule_are_refused(name):
    with pytest.raises(CorpusError, match="utt2spk:3: utterance .*; an identifier has 1 to 200 bytes .*; rename it"):
        require_name(name, Path("utt2spk"), 3)


def test_valid_names_are_accepted():
    for name in ("faaa0-sx1", "häll_1.2;x", "日本"):
        assert require_name(name, Path("text"), 1) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  ", "has no symbol"),
        ("a b(2)", r"symbol 'b\(2\)' has a bracket"),
        (";;a b", "begins a line with ;;"),
        (
            "a (b)",
            r"symbol '\(b\)' has a bracket, which trn files cannot hold .they mark optional symbols there.; replace",
        ),
        ("a b\x1b[2J", r"symbol 'b\\x1b\[2J' has '\\x1b', a control character; replace it"),
        ("a { b / t / @ } c", "has alternatives, '{ b / t / @ }', of which one must be chosen; write the symbols"),
        ("a {b/t} c", "has alternatives, '{b/t}'"),
        ("{ a / { b / c } }", "has alternatives, '{ a /'"),
        ("a { b /", "has alternatives, '{ b /'"),
        ("a </s>", "symbol '</s>' is reserved"),
    ],
)
def test_symbols_that_no_transcript_can_hold_are_refused(text, message):
    with pytest.raises(CorpusError, match=f"text:7: .*{message}"):
        parse_transcript(text, Path("text"), 7)


@pytest.mark.parametrize("text", ['"s i', "{ r t }", "} {", "a @ {", "t/d { b", "/ a /", "<sil> _", "日 ɛ́"])
def test_signs_of_phonetic_alphabets_are_symbols(text):
    assert parse_transcript(text, Path("text"), 7) == tuple(text.split())


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "text"
    with pytest.raises(CorpusError, match="text: does not exist; expected lines 'utterance symbols'"):
        read_lines(path, "utterance symbols")
    path.write_bytes(b"\n \n")
    with pytest.raises(CorpusError, match="text: is empty"):
        read_lines(path, "utterance symbols")
    path.write_bytes("a ä\n".encode() + b"b \xff\n")
    with pytest.raises(CorpusError, match="text:2: is not UTF-8"):
        read_lines(path, "utterance symbols")
    path.write_bytes(b"\xef\xbb\xbfa b\r\nc d\n")
    assert read_lines(path, "utterance symbols") == ["a b", "c d"]
