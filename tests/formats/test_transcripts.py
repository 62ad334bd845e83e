import subprocess
from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.transcripts import read_phones, read_trn, write_ctm, write_stm, write_trn


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    transcripts = {"b-2": ["sil", "ah"], "a-1": []}
    write_trn(tmp_path / "x.trn", transcripts)
    assert (tmp_path / "x.trn").read_text() == "(a-1)\nsil ah (b-2)\n"
    assert read_trn(tmp_path / "x.trn") == transcripts


def test_comments_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "x.trn").write_text(";; from elsewhere\n\n  ah  b ( u1 ) \r\n")
    assert read_trn(tmp_path / "x.trn") == {"u1": ["ah", "b"]}


def test_marks_of_x_sampa_are_symbols(tmp_path: Path) -> None:
    (tmp_path / "x.trn").write_text('"s { t } @ (u1)\n', encoding="utf-8-sig")
    assert read_trn(tmp_path / "x.trn") == {"u1": ['"s', "{", "t", "}", "@"]}


def test_sclite_reads_our_trn_files(sclite: list[str], tmp_path: Path) -> None:
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
        ("ah (a)\nb (a)\n", "x.trn:2: duplicate utterance id a .listed twice."),
        ("ah (b) k (u1)\n", r"x.trn:1: symbol '\(b\)' has a bracket, .* replace it"),
        ("ah (u1)\rb (u2)\n", "x.trn:1: symbol '.u1.' has a bracket"),
        ("\nah { b / t / @ } k (u1)\n", "x.trn:2: has alternatives, '{ b / t / @ }', of which one must be chosen"),
        ("ah (u1\0)\n", "x.trn:1: utterance 'u1.x00' has '.x00', which cannot be printed; .* rename it"),
        ("\n", "x.trn: holds no transcript"),
        ("ah (a)\nb (a/b)\n", "x.trn:2: utterance 'a/b' has '/'; an identifier has .*; rename it"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.trn").write_text(text)
    with pytest.raises(DataError, match=message):
        read_trn(tmp_path / "x.trn")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="x.trn: does not exist"):
        read_trn(tmp_path / "x.trn")
    (tmp_path / "x.trn").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="x.trn:1: is not UTF-8"):
        read_trn(tmp_path / "x.trn")


def test_ctm_has_start_and_duration_in_seconds(tmp_path: Path) -> None:
    write_ctm(tmp_path / "x.ctm", {"b": [(0.0, 0.25, "sil"), (0.25, 0.3, "t")], "a": [], "0": [(1.5, 2.0, "ah")]})
    assert (tmp_path / "x.ctm").read_text() == "0 A 1.5000 0.5000 ah\nb A 0.0000 0.2500 sil\nb A 0.2500 0.0500 t\n"


def test_sclite_scores_our_ctm_against_our_stm(sclite: list[str], tmp_path: Path) -> None:
    write_stm(
        tmp_path / "ref.stm",
        {
            "b-2": ("b", 0.5, ["<sil>", "t"]),
            "a-1": ("a", 1.0, ["sil", "ah", "t"]),
            "C-3": ("c", 0.5, ["t"]),
            "c-4": ("c", 0.2, []),
        },
    )
    write_ctm(
        tmp_path / "hyp.ctm",
        {
            "a-1": [(0.0, 0.3, "sil"), (0.3, 0.6, "eh"), (0.98, 1.04, "t")],  # an end within a frame of the reference's
            "b-2": [(0.0, 0.3, "<sil>"), (0.3, 0.5, "t")],
            "C-3": [],
            "c-4": [(0.0, 0.1, "t")],
        },
    )
    command = [*sclite, "-r", "ref.stm", "stm", "-h", "hyp.ctm", "ctm", "-o", "rsum", "stdout"]
    report = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    sums = next(line for line in report.splitlines() if "Sum" in line)
    # utterances, phones, correct, substituted, deleted, inserted, errors, utterances with errors
    assert sums.replace("|", " ").split() == ["Sum", "4", "6", "4", "1", "1", "1", "3", "3"]


def test_stm_has_speaker_and_end_in_seconds(tmp_path: Path) -> None:
    write_stm(
        tmp_path / "x.stm", {"b-1": ("b", 1.25, ["<s>", "t"]), "a-1": ("a", 0.5, ["t", "<s>"]), "a-2": ("a", 0, [])}
    )
    lines = ["a-1 A a 0.0000 0.5000 t <s>", "a-2 A a 0.0000 0.0000", "b-1 A b 0.0000 1.2500 <O> <s> t"]
    assert (tmp_path / "x.stm").read_text().splitlines() == lines
    with pytest.raises(ValueError, match="u: ends at nan s; the end must be 0 or later"):
        write_stm(tmp_path / "y.stm", {"u": ("s", float("nan"), ["t"])})
    with pytest.raises(ValueError, match="'s p' cannot be written"):
        write_stm(tmp_path / "y.stm", {"u": ("s p", 1.0, ["t"])})
    assert not (tmp_path / "y.stm").exists()


@pytest.mark.parametrize("times", [(0.4, 0.3), (-0.1, 0.3), (float("nan"), 1.0)])
def test_ctm_refuses_times_that_go_backwards(tmp_path: Path, times: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="u: t lies at .* must not go backwards"):
        write_ctm(tmp_path / "x.ctm", {"u": [(*times, "t")]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "transcripts", [{"a b": ["t"]}, {"a": ["t d"]}, {"a": ["(t)"]}, {"a": [""]}, {"a\udcff": ["t"]}, {"a": ["t\x1b"]}]
)
def test_names_that_could_not_be_read_back_are_not_written(tmp_path: Path, transcripts: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        write_trn(tmp_path / "x.trn", transcripts)
    assert not list(tmp_path.iterdir())


def test_phones_are_folded_or_left_unchanged(tmp_path: Path) -> None:
    (tmp_path / "x.trn").write_text("h# ix q zh (u1)\n")
    assert read_phones(tmp_path / "x.trn") == {"u1": ["sil", "ih", "sh"]}
    assert read_phones(tmp_path / "x.trn", fold=False) == {"u1": ["h#", "ix", "q", "zh"]}
    (tmp_path / "x.trn").write_text("h# what (u1)\n")
    with pytest.raises(DataError, match=r"x.trn: u1: 'what' is no TIMIT phone"):
        read_phones(tmp_path / "x.trn")
