from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.speakers import read_speakers, speakers_from_names


def test_speakers_from_names() -> None:
    assert speakers_from_names(["a-1", "b-1-2"]) == {"a-1": "a", "b-1-2": "b"}
    with pytest.raises(DataError, match="2 utterances are not named speaker-prompt.*: c, -d; name the speakers"):
        speakers_from_names(["a-1", "c", "-d"])


def test_speakers_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "utt2spk"
    path.write_text("u1 s1\n\nu2 s1\n", encoding="utf-8-sig")
    assert read_speakers(path) == {"u1": "s1", "u2": "s1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u1 s1\nu2\n", ":2: 'u2' is not 'utterance speaker'"),
        ("u1 s1\nu1 s2\n", ":2: duplicate utterance id u1"),
        ("u1 s1\nu2 s\x1b\n", ":2: speaker 's.x1b' has '.x1b', which cannot be printed"),
        ("u1 s1\nu2 s\u200b2\n", r":2: speaker 's.u200b2' has '.u200b', which cannot be printed; an identifier has"),
        ("u/1 s1\n", ":1: utterance 'u/1' has '/'; an identifier has"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "utt2spk"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_speakers(path)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="utt2spk: does not exist; expected lines 'utterance speaker'"):
        read_speakers(tmp_path / "utt2spk")
    (tmp_path / "utt2spk").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="utt2spk:1: is not UTF-8"):
        read_speakers(tmp_path / "utt2spk")
