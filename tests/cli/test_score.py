import argparse
import json
from pathlib import Path

import pytest

from cnn_mellin.cli import score
from cnn_mellin.errors import DataError, UserError


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    score.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["score", *map(str, words)])
    status: int = arguments.run(arguments)
    return status


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "ref.trn").write_text("h# ix dcl d q h# (f1-a)\nsil t sil (m1-b)\n")
    (tmp_path / "hyp.trn").write_text("sil ih sil t sil (f1-a)\n(m1-b)\n")
    return tmp_path / "ref.trn", tmp_path / "hyp.trn"


def test_text_folds_and_counts(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*files, "--per-speaker") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{files[1]} (kaldi, 2 utterances)"
    assert lines[1].split() == ["PER", "%", "phones", "sub", "del", "ins"]
    assert [line.split() for line in lines[2:5]] == [
        ["total", "50.00", "8", "1", "3", "0"],
        ["f1", "20.00", "5", "1", "0", "0"],
        ["m1", "100.00", "3", "0", "3", "0"],
    ]
    assert lines[5] == "  nothing recognised in 1 utterances: m1-b"
    assert lines[6] == "  worst: sil > (del) 2, d > t 1, t > (del) 1"


def test_csv_has_a_row_a_group(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(*files, files[0], "--convention", "all", "--format", "csv", "--per-phone", "--per-utterance")
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:5] == ["hypothesis", "convention", "group", "name", "percent"]
    totals = {(Path(row[0]).name, row[1]): row[4:] for row in rows if row[2] == "total"}
    assert totals["hyp.trn", "kaldi"] == ["50.0", "8", "1", "3", "0"]
    assert totals["hyp.trn", "optional-sil"] == ["25.0", "8", "1", "1", "0"]
    assert totals["ref.trn", "merge-sil"] == ["0.0", "8", "0", "0", "0"]
    assert len(totals) == 6
    assert {row[2] for row in rows[1:]} == {"total", "phone", "utterance"}


def test_json_holds_what_was_left_out(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(*files, "--format", "json", "--worst", "1")
    (result,) = json.loads(capsys.readouterr().out)
    assert result["rates"][0]["percent"] == 50.0
    assert result["worst_confusions"] == [["sil", None, 2]]
    assert (result["empty_hypotheses"], result["empty_references"]) == (["m1-b"], [])


def test_symbols_of_other_corpora(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r").write_text("tone1 tone2 (a)\n")
    (tmp_path / "h").write_text("tone1 tone3 (a)\n")
    with pytest.raises(DataError, match="r: a: 'tone1' is no TIMIT phone"):
        run(tmp_path / "r", tmp_path / "h")
    run(tmp_path / "r", tmp_path / "h", "--no-fold")
    assert "recognised, but in no reference: tone3 1 times" in capsys.readouterr().out


def test_speakers_from_a_file(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (files[0].parent / "utt2spk").write_text("f1-a anna\nm1-b anna\n")
    run(*files, "--per-speaker", "--utt2spk", files[0].parent / "utt2spk")
    assert "anna" in capsys.readouterr().out


def test_mismatch_names_both_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "other.trn").write_text("sil (f1-a)\n")
    with pytest.raises(DataError, match=r"other.trn against .*ref.trn: 1 utterances are missing from the hypotheses"):
        run(files[0], tmp_path / "other.trn")
    with pytest.raises(UserError, match="--worst is -1; it must be 0 or more"):
        run(*files, "--worst", "-1")
