import subprocess
from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.scoring.transcripts import read_phones, read_trn, write_ctm, write_trn


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    transcripts = {"b-2": ["sil", "ah"], "a-1": []}
    write_trn(tmp_path / "x.trn", transcripts)
    assert (tmp_path / "x.trn").read_text() == "(a-1)\nsil ah (b-2)\n"
    assert read_trn(tmp_path / "x.trn") == transcripts


def test_comments_and_blank_lines_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.trn").write_text(";; from elsewhere\n\n  ah  b ( u1 ) \r\n")
    assert read_trn(tmp_path / "x.trn") == {"u1": ["ah", "b"]}


def test_sclite_reads_ours(sclite: list[str], tmp_path: Path) -> None:
    write_trn(tmp_path / "ref", {"a-1": ["sil", "ah"], "b-2": ["t"]})
    write_trn(tmp_path / "hyp", {"a-1": ["sil"], "b-2": ["t"]})
    command = [*sclite, "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "spu_id", "-o", "rsum", "stdout"]
    report = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    sums = next(line for line in report.splitlines() if "Sum" in line)
    assert sums.replace("|", " ").split() == ["Sum", "2", "3", "2", "0", "1", "0", "1", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ah b\n", r"x.trn:1: 'ah b' is not 'phones \(utterance\)'"),
        ("ah (a)\nb (a)\n", "x.trn:2: utterance a is there a second time"),
        ("\n", "x.trn: holds no transcript"),
        ("ah (a)\nb (a/b)\n", "x.trn:2: utterance 'a/b' has '/'; an identifier has .*; rename it"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.trn").write_text(text)
    with pytest.raises(DataError, match=message):
        read_trn(tmp_path / "x.trn")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x.trn: cannot be read"):
        read_trn(tmp_path / "x.trn")
    (tmp_path / "x.trn").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="x.trn: is not UTF-8"):
        read_trn(tmp_path / "x.trn")


def test_ctm_has_start_and_duration_in_seconds(tmp_path: Path) -> None:
    write_ctm(tmp_path / "x.ctm", {"b": [(0.0, 0.25, "sil"), (0.25, 0.3, "t")], "a": [], "0": [(1.5, 2.0, "ah")]})
    assert (tmp_path / "x.ctm").read_text() == "0 1 1.500 0.500 ah\nb 1 0.000 0.250 sil\nb 1 0.250 0.050 t\n"


@pytest.mark.parametrize("times", [(0.4, 0.3), (-0.1, 0.3), (float("nan"), 1.0)])
def test_ctm_refuses_times_that_go_backwards(tmp_path: Path, times: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="u: t lies at .* must not go backwards"):
        write_ctm(tmp_path / "x.ctm", {"u": [(*times, "t")]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("transcripts", [{"a b": ["t"]}, {"a": ["t d"]}, {"a": ["(t)"]}, {"a": [""]}])
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, transcripts: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        write_trn(tmp_path / "x.trn", transcripts)
    assert not list(tmp_path.iterdir())


def test_phones_are_folded_or_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "x.trn").write_text("h# ix q zh (u1)\n")
    assert read_phones(tmp_path / "x.trn") == {"u1": ["sil", "ih", "sh"]}
    assert read_phones(tmp_path / "x.trn", fold=False) == {"u1": ["h#", "ix", "q", "zh"]}
    (tmp_path / "x.trn").write_text("h# what (u1)\n")
    with pytest.raises(DataError, match=r"x.trn: u1: 'what' is no TIMIT phone"):
        read_phones(tmp_path / "x.trn")
