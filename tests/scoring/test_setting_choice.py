from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.formats.transcripts import read_trn
from cnn_mellin.scoring.setting_choice import choose_setting
from cnn_mellin.scoring.system_folder import SystemFolder

REFERENCES = {"u": ["t", "d", "t", "d"]}


def make(folder: Path, files: dict[str, str]) -> SystemFolder:
    for name, phones in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{phones} (u)\n")
    return SystemFolder.read(folder)


def choose(system: SystemFolder, choose_on: str = "dev") -> tuple[str, dict[str, float]]:
    return choose_setting(system, "test", choose_on, lambda: REFERENCES, read_trn)


FILES = {
    # on test, "a" is better
    "1/test.a.trn": "t d t d",
    "2/test.a.trn": "t d t d",
    "1/test.b.trn": "t",
    "2/test.b.trn": "t",
    # on dev, "a" has the best seed and "b" the better mean
    "1/dev.a.trn": "t d t d",
    "2/dev.a.trn": "k k k k",
    "1/dev.b.trn": "t d t k",
    "2/dev.b.trn": "t d t k",
}


def test_the_best_mean_on_dev_is_chosen(tmp_path: Path) -> None:
    assert choose(make(tmp_path, FILES)) == ("b", {"a": 50.0, "b": 25.0})


def test_equally_good_options_are_chosen_by_name(tmp_path: Path) -> None:
    equal = {name: phones for name, phones in FILES.items() if "test" in name}
    equal |= {f"{seed}/dev.{setting}.trn": "t d t k" for seed in (1, 2) for setting in "ab"}
    assert choose(make(tmp_path, equal))[0] == "a"


def test_a_single_candidate_needs_no_dev_partition(tmp_path: Path) -> None:
    assert choose(make(tmp_path, {"1/test.a.trn": "t"}), "test") == ("a", {})


def test_choosing_on_the_reported_partition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="has 2 decoding options, which cannot be chosen on 'test', the partition that is"
    ):
        choose(make(tmp_path, FILES), "test")


def test_mismatches_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="decoding options c were used on only one of test and dev; decode"):
        choose(make(tmp_path / "settings", FILES | {"1/dev.c.trn": "t", "2/dev.c.trn": "t"}))
    with pytest.raises(DataError, match="dev and test were decoded with different seeds"):
        choose(make(tmp_path / "seeds", FILES | {"3/dev.a.trn": "t", "3/dev.b.trn": "t"}))
    with pytest.raises(DataError, match="has no transcript of 'dev'"):
        choose(make(tmp_path / "none", {name: phones for name, phones in FILES.items() if "test" in name}))
    system = make(tmp_path / "utterances", FILES)
    (tmp_path / "utterances/1/dev.a.trn").write_text("t (v)\n")
    with pytest.raises(DataError, match=r"1/dev.a.trn: 1 utterances are missing from the hypotheses: u"):
        choose(system)
