import json
import random
from pathlib import Path

import pytest

from cnn_mellin.cli import compare
from cnn_mellin.cli.main import parser
from cnn_mellin.errors import DataError, UserError
from cnn_mellin.formats.scoring_folding import write_folding
from cnn_mellin.scoring import write_trn

PHONES = ["ah", "t", "d", "iy", "sil"]


def run(*words: object) -> int:
    return compare.run(parser().parse_args(["compare", *map(str, words), "--replications", "500"]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = random.Random(0)
    (tmp_path / "ext").mkdir()
    for part in ("dev", "test"):
        references = {f"s{i % 8}-{part}{i}": rng.choices(PHONES, k=30) for i in range(24)}
        write_trn(tmp_path / "ext" / f"{part}.ref.trn", references)
        for system, rates in {"lcorr": {"beam-1": 0.3, "beam-8": 0.25}, "mcorr": {"": 0.1}}.items():
            for seed in (1, 2):
                (tmp_path / system / f"{seed}").mkdir(parents=True, exist_ok=True)
                for setting, rate in rates.items():
                    found = {
                        name: [phone if rng.random() > rate else "k" for phone in phones]
                        for name, phones in references.items()
                    }
                    write_trn(tmp_path / system / f"{seed}" / ".".join(filter(None, [part, setting, "trn"])), found)
    return tmp_path


def test_text_shows_systems_chosen_options_and_significance(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder / "lcorr", folder / "mcorr", "--references", folder / "ext") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "test: 24 utterances of 8 speakers, 720 phones; kaldi convention"
    assert lines[2].split()[:6] == ["system", "mean", "PER", "%", "sd", "median"]
    assert "beam-8 (dev " in lines[3]
    assert ", best of 2)" in lines[3]
    assert lines[4].split()[0] == "mcorr"
    difference = lines[7].split()
    assert difference[:3] == ["mcorr", "-", "lcorr"]
    assert -20 < float(difference[3]) < -10
    assert [float(value) for value in difference[5:]] == pytest.approx([1, 0, 0, 1 / 3, 1 / 3, 0, 0], abs=0.02)


def test_speakers_are_those_of_utt2spk_beside_the_references(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"s{i % 8}-test{i}" for i in range(24)]
    (folder / "ext" / "utt2spk").write_text("".join(f"{name} only\n" for name in names))
    assert run(folder / "lcorr", folder / "mcorr", "--references", folder / "ext") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("test: 24 utterances of 1 speakers")
    assert lines[7].split()[4:6] == ["-", "-"]
    assert lines[9] == "one speaker: no interval, and no permutation p below 1; compare on more speakers"
    (folder / "other").write_text("".join(f"{name} {name}\n" for name in names))
    run(folder / "lcorr", folder / "mcorr", "--references", folder / "ext", "--utt2spk", folder / "other")
    assert "of 24 speakers" in capsys.readouterr().out


@pytest.mark.parametrize("table_format", ["text", "csv", "latex", "markdown", "json"])
def test_a_single_training_per_system_is_pointed_out(
    folder: Path, capsys: pytest.CaptureFixture[str], table_format: str
) -> None:
    systems = [folder / name / "1" for name in ("lcorr", "mcorr")]
    run(*systems, "--references", folder / "ext", "--format", table_format)
    printed = capsys.readouterr().out
    assert "the interval does not cover how much trainings vary" in printed


def test_json_holds_every_number(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder / "lcorr", folder / "mcorr", "--references", folder / "ext", "--format", "json")
    result = json.loads(capsys.readouterr().out)
    assert set(result["choices"]["lcorr"]["percent"]) == {"beam-1", "beam-8"}
    assert result["choices"]["mcorr"] == {"setting": "", "percent": {}}
    assert len(result["systems"]["lcorr"]["values"]) == 2
    assert result["pairs"][0]["bootstrap"]["high"] < 0
    assert result["pairs"][0]["matched_pairs"]["num_segments"] > 50


@pytest.mark.parametrize(
    ("table_format", "start"), [("csv", "system,mean PER %,"), ("latex", "% test: "), ("markdown", "t")]
)
def test_other_formats(folder: Path, capsys: pytest.CaptureFixture[str], table_format: str, start: str) -> None:
    run(folder / "mcorr", "--references", folder / "ext", "--format", table_format)
    assert capsys.readouterr().out.startswith(start)


def test_systems_of_the_same_name_are_distinguished(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other").mkdir()
    (folder / "mcorr").rename(folder / "other/lcorr")
    run(folder / "lcorr", folder / "other/lcorr", "--references", folder / "ext")
    assert str(folder / "other/lcorr") in capsys.readouterr().out


def test_symbols_of_another_corpus_are_compared_as_its_references_record(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.rglob("*.trn"):
        path.write_text(path.read_text().replace("sil", "tone1"))
    systems = (folder / "lcorr", folder / "mcorr", "--references", folder / "ext")
    with pytest.raises(DataError, match="'tone1' is no TIMIT phone"):
        run(*systems)
    assert run(*systems, "--no-fold") == 0
    unfolded = capsys.readouterr().out
    write_folding(folder / "ext", folded=False)
    assert run(*systems) == 0
    assert capsys.readouterr().out == unfolded


def test_choosing_on_test_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="--choose-on is test; decoding options are not chosen on test: choose on dev"):
        run(folder / "lcorr", "--references", folder / "ext", "--choose-on", "test")
    with pytest.raises(DataError, match="cannot be chosen on 'dev', the partition that is reported"):
        run(folder / "lcorr", "--references", folder / "ext", "--part", "dev")


def test_bad_input_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="nowhere: is not a folder"):
        run(folder / "nowhere", "--references", folder / "ext")
    with pytest.raises(DataError, match="test.ref.trn: does not exist"):
        run(folder / "mcorr", "--references", folder)
    with pytest.raises(UserError, match="a system is named twice"):
        run(folder / "mcorr", folder / "mcorr", "--references", folder / "ext")
    with pytest.raises(UserError, match="--seed is -1; it must be 0 or more"):
        run(folder / "mcorr", "--references", folder / "ext", "--seed", "-1")
    lines = (folder / "mcorr/2/test.trn").read_text().splitlines()
    (folder / "mcorr/2/test.trn").write_text("\n".join(lines[1:]))
    with pytest.raises(DataError, match=r"mcorr/2/test.trn: lacks 1 utterances of the references: s0-test0"):
        run(folder / "mcorr", "--references", folder / "ext")
    (folder / "mcorr/2/test.trn").write_text("\n".join([*lines, "t (s9-x)"]))
    with pytest.raises(DataError, match=r"mcorr/2/test.trn: has 1 utterances that have no reference: s9-x"):
        run(folder / "mcorr", "--references", folder / "ext")


def test_empty_and_unknown_inputs_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "mcorr" / "2" / "test.trn"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(["(" + lines[0].partition("(")[2], *lines[1:]]))
    name = lines[0].partition("(")[2].rstrip(")")
    words = (folder / "mcorr", "--references", folder / "ext", "--format")
    expected = f"2: nothing recognised in 1 utterances: {name}"
    printed = {}
    for text_format in ("text", "csv", "json", "latex", "markdown"):
        assert run(*words, text_format) == 0
        printed[text_format] = capsys.readouterr().out
    assert f"\nmcorr: {expected}\n" in printed["text"]
    assert f"\n% mcorr: {expected}\n" in printed["latex"]
    assert f"\nmcorr: {expected}\n" in printed["markdown"]
    assert "system,remark\n" in printed["csv"]
    assert f"mcorr,{expected}\n" in printed["csv"]
    first, second, third = json.loads(printed["json"])["remarks"]["mcorr"]
    assert second == expected
    assert first.startswith("1: recognised, but in no reference: k ")
    assert third.startswith("2: recognised, but in no reference: k ")
    path.with_name("test.trn").write_text((folder / "ext" / "test.ref.trn").read_text())
    (folder / "mcorr" / "1" / "test.trn").write_text(path.read_text())
    run(*words, "csv")
    assert "remark" not in capsys.readouterr().out
