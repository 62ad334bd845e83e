from pathlib import Path

import pytest

from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings, read_settings
from cnn_mellin.features import FeatureExtractor
from cnn_mellin.shipped_file import shipped_file, shipped_files


def test_lists_every_shipped_file_with_its_purpose_on_one_line(capsys):
    assert main(["conf"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    for name, purpose in shipped_files().items():
        assert [Path(name).stem, purpose] in lines


@pytest.mark.parametrize("name", ["demo-mcorr", "demo-mcorr.ini", "model/demo-mcorr.ini", "conf/model/demo-mcorr.ini"])
def test_prints_a_file_unchanged_and_read_ini_takes_the_same_name(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["conf", name]) == 0
    assert capsys.readouterr().out == shipped_file("model/demo-mcorr.ini").read_text()
    assert main(["--read-ini", name, "--print-ini"]) == 0
    (tmp_path / "printed.ini").write_text(capsys.readouterr().out)
    assert read_settings("printed.ini") == read_settings(shipped_file("model/demo-mcorr.ini")) != Settings()


@pytest.mark.parametrize("name", ["fbank-81-10ms", "fbank-81-10ms.json", "conf/feats/fbank-81-10ms.json"])
def test_features_by_name(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["conf", name]) == 0
    assert capsys.readouterr().out == shipped_file("feats/fbank-81-10ms.json").read_text()
    assert FeatureExtractor.from_json(name).configuration == FeatureExtractor.named("fbank-81-10ms").configuration


def test_an_unknown_name_gets_the_nearest_one(capsys):
    assert main(["conf", "demo-mcor"]) == 2
    assert capsys.readouterr().err == (
        "cnn-mellin: conf demo-mcor: no such file ships with the program; did you mean 'demo-mcorr'?\n"
    )
