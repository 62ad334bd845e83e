import json
from pathlib import Path

import pytest

from cnn_mellin.cli import score
from cnn_mellin.cli.main import parser
from cnn_mellin.cli.options.scoring import _CONVENTIONS
from cnn_mellin.errors import DataError, SettingsError, UserError
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.scoring import CONVENTIONS


def run(*words: object) -> int:
    return score.run(parser().parse_args(["score", *map(str, words)]))


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


def test_csv_has_one_row_per_group(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(*files, files[0], "--convention", "all", "--format", "csv", "--per-phone", "--per-utterance")
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    assert rows[0][:5] == ["hypothesis", "convention", "group", "name", "percent"]
    totals = {(Path(row[0]).name, row[1]): row[4:] for row in rows if row[2] == "total"}
    assert totals["hyp.trn", "kaldi"] == ["50.0", "8", "1", "3", "0"]
    assert totals["hyp.trn", "optional-sil"] == ["25.0", "8", "1", "1", "0"]
    assert totals["ref.trn", "merge-sil"] == ["0.0", "8", "0", "0", "0"]
    assert len(totals) == 6
    assert {row[2] for row in rows[1:]} == {"total", "phone", "utterance"}


def test_json_holds_confusions_and_empty_transcripts(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert "recognised, but in no reference: tone3 1 times" in (unfolded := capsys.readouterr().out)
    write_folding(tmp_path, folded=False)
    run(tmp_path / "r", tmp_path / "h")
    assert capsys.readouterr().out == unfolded


def test_no_fold_overrides_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r").write_text("ix (a)\n")
    (tmp_path / "h").write_text("ih (a)\n")
    write_folding(tmp_path, folded=True)
    for more, percent in (([], 0), (["--no-fold"], 100)):
        run(tmp_path / "r", tmp_path / "h", "--format", "json", *more)
        assert json.loads(capsys.readouterr().out)[0]["rates"][0]["percent"] == percent


def test_speakers_from_a_file(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (files[0].parent / "utt2spk").write_text("f1-a anna\nm1-b anna\n")
    run(*files, "--per-speaker", "--utt2spk", files[0].parent / "utt2spk")
    assert "anna" in capsys.readouterr().out


def test_speakers_are_those_of_utt2spk_beside_the_references(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (files[0].parent / "utt2spk").write_text("f1-a anna\nm1-b bert\n")
    run(*files, "--per-speaker")
    printed = capsys.readouterr().out
    assert "anna" in printed
    assert "f1 " not in printed


def test_mismatch_names_both_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "other.trn").write_text("sil (f1-a)\n")
    with pytest.raises(DataError, match=r"other.trn against .*ref.trn: 1 utterances are missing from the hypotheses"):
        run(files[0], tmp_path / "other.trn")
    with pytest.raises(UserError, match="--worst is -1; it must be 0 or more"):
        run(*files, "--worst", "-1")


@pytest.mark.slow
def test_confusions_in_every_format_and_as_a_figure(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    for text_format in ("text", "csv", "json", "latex", "markdown"):
        run(*files, "--format", text_format, "--confusions", "--plot", tmp_path / f"{text_format}.png")
        printed = capsys.readouterr().out
        assert {"text": "reference ", "latex": "reference &", "markdown": "| reference "}.get(
            text_format, "confusion_matrix" if text_format == "json" else ",sil,,2\n"
        ) in printed
    assert len({path.read_bytes() for path in tmp_path.glob("*.png")}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plot", "a.pdf"], "--plot a.pdf: must end in .png"),
        (["--plot", "none/a.png"], "--plot none/a.png: its folder does not exist"),
        (["--plot", "a.png", "--convention", "all"], "--plot a.png: plots one HYPOTHESIS under one convention"),
    ],
)
def test_figures_that_cannot_be_plotted_are_refused_first(
    files: tuple[Path, Path], options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SettingsError, match=message):
        run(*files, *options)
    assert capsys.readouterr().out == ""


def test_utterances_missing_on_either_side_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "more.trn").write_text("sil (f1-a)\nsil (m1-b)\nsil (m1-c)\n")
    with pytest.raises(DataError, match=r"more.trn against .*: 1 utterances are missing from the references: m1-c"):
        run(files[0], tmp_path / "more.trn")
    (tmp_path / "empty.trn").write_text("\n")
    for pair in ((files[0], tmp_path / "empty.trn"), (tmp_path / "empty.trn", files[1])):
        with pytest.raises(DataError, match=r"empty.trn: holds no transcript"):
            run(*pair)
    (tmp_path / "zz.trn").write_text("sil zz (f1-a)\nsil (m1-b)\n")
    for pair in ((files[0], tmp_path / "zz.trn"), (tmp_path / "zz.trn", files[1])):
        with pytest.raises(DataError, match=r"zz.trn: f1-a: 'zz' is no TIMIT phone"):
            run(*pair)


def test_the_conventions_offered_are_those_that_exist() -> None:
    assert _CONVENTIONS == CONVENTIONS


@pytest.fixture
def ipa_files(tmp_path: Path) -> tuple[Path, Path]:
    pytest.importorskip("panphon", reason="panphon is not installed (the extra features)")
    (tmp_path / "ref.trn").write_text("p a (f1-a)\na % (m1-b)\n", encoding="utf-8")
    (tmp_path / "hyp.trn").write_text("b a (f1-a)\na (m1-b)\n", encoding="utf-8")
    return tmp_path / "ref.trn", tmp_path / "hyp.trn"


@pytest.mark.slow
def test_features_stand_beside_the_phone_error_rate(
    ipa_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*ipa_files, "--no-fold", "--features", "--per-speaker", "--per-phone") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[-2:] == ["PFER", "%"]
    # one of 24 features, and one symbol without features
    assert {line.split()[0]: (line.split()[1], line.split()[-1]) for line in lines[2:5]} == {
        "total": ("50.00", "26.04"),
        "f1": ("50.00", "2.08"),
        "m1": ("50.00", "50.00"),
    }
    assert {line.split()[-1] for line in lines[5:8]} == {"."}
    assert "  features: without known features: % 1 times" in lines
    run(*ipa_files, "--no-fold")
    assert "PFER" not in capsys.readouterr().out


@pytest.mark.slow
def test_features_in_csv_and_json(ipa_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run(*ipa_files, ipa_files[0], "--no-fold", "--features", "--format", "csv", "--per-utterance", "--per-phone")
    header, *rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    assert header[-3:] == ["feature_percent", "segments", "feature_distance"]
    found = {(Path(row[0]).name, row[2], row[3]): row[-3:] for row in rows}
    assert [float(value) for value in found["hyp.trn", "utterance", "f1-a"]] == pytest.approx([100 / 48, 2, 1 / 24])
    assert found["ref.trn", "total", ""] == ["0.0", "4", "0.0"]
    assert found["hyp.trn", "phone", "p"] == ["", "", ""]
    run(*ipa_files, "--no-fold", "--features", "--format", "json")
    (content,) = json.loads(capsys.readouterr().out)
    assert content["rates"][0]["feature_percent"] == pytest.approx(100 * 25 / 96)
    assert content["features"] == {
        "alphabet": "ipa",
        "distance_per_utterance": pytest.approx(25 / 48),
        "silences": {},
        "unknown": {"%": 1},
        "ignored": {},
    }


def test_features_without_panphon(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--features: needs panphon, which is not installed; install the extra feat"):
        run(*files, "--features")
