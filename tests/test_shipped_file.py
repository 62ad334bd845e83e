import os
from pathlib import Path

import pytest

from cnn_mellin.config import read_settings
from cnn_mellin.errors import SettingsError
from cnn_mellin.layers import MellinLinearConv2d
from cnn_mellin.models import AcousticModel
from cnn_mellin.shipped_file import FEATURES, SETTINGS, file_or_shipped, shipped_file, shipped_files

CONF = shipped_file("optim/model-mcorr-sm.ini").parents[1]
INIS = sorted(path.relative_to(CONF).as_posix() for path in CONF.glob("*/*.ini"))


def lines(name: str) -> list[str]:
    return shipped_file(name).read_text().splitlines()


@pytest.mark.parametrize("name", INIS)
def test_every_shipped_ini_file_can_be_read(name):
    read_settings(shipped_file(name))


@pytest.mark.parametrize(
    "pattern", ["optim/model-{}-sm.ini", "model/demo-{}.ini", "model/fast-{}.ini", "model/accurate-{}.ini"]
)
def test_lcorr_and_mcorr_differ_in_one_line(pattern):
    linear, mellin = lines(pattern.format("lcorr")), lines(pattern.format("mcorr"))
    differing = [pair for pair in zip(linear, mellin, strict=True) if pair[0] != pair[1]]
    assert differing == [("convolutional_mellin = False", "convolutional_mellin = True")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in INIS if "corr" in name and "linear-as" not in name])
def test_mcorr_models_have_only_mellin_layers_and_lcorr_models_none(name):
    model = AcousticModel(81, 49, read_settings(shipped_file(name)).model)
    mellin = [isinstance(layer, MellinLinearConv2d) for layer in model.convs]
    assert mellin
    assert all(mellin) == any(mellin) == ("mcorr" in Path(name).name)


def test_the_error_names_the_missing_file():
    with pytest.raises(FileNotFoundError, match="conf/model/none.ini is not part"):
        shipped_file("model/none.ini")


def test_every_shipped_file_has_a_purpose_and_a_unique_name():
    there = {path.relative_to(CONF).as_posix() for path in CONF.glob("*/*")}
    assert set(shipped_files()) == there
    assert all(purpose.strip() for purpose in shipped_files().values())
    stems = [Path(name).stem for name in there]
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize("name", sorted(path.relative_to(CONF).as_posix() for path in CONF.glob("*/*")))
def test_every_spelling_of_a_name_finds_the_shipped_file_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = FEATURES if name.startswith("feats/") else SETTINGS
    short = Path(name).name
    for spelling in (f"conf/{name}", name, short, f"./{short}", Path(short).stem, f"conf/{Path(name).with_suffix('')}"):
        assert file_or_shipped(spelling, folders) == CONF / name, spelling


@pytest.mark.parametrize("name", ["demo-mcorr", "demo-mcorr.ini", "model/demo-mcorr.ini", "conf/model/demo-mcorr.ini"])
def test_a_file_on_disk_has_priority_over_a_shipped_one_but_a_folder_has_not(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path(name)
    own.parent.mkdir(parents=True, exist_ok=True)
    own.mkdir()
    assert read_settings(name).model.convolutional_mellin
    own.rmdir()
    own.write_text("[model]\nwindow_size = 9\n")
    assert read_settings(name).model.window_size == 9
    assert not read_settings(name).model.convolutional_mellin


def test_a_pipe_counts_as_a_file_on_disk(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert file_or_shipped(pipe, SETTINGS) == pipe


def test_shipped_settings_are_read_in_their_own_format(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_settings("demo-mcorr", "json") == read_settings(shipped_file("model/demo-mcorr.ini"))


@pytest.mark.parametrize(
    ("name", "folders", "why"),
    [
        ("demo-mcor", SETTINGS, "^demo-mcor: does not exist, on disk or among the shipped files; .* 'demo-mcorr'\\?$"),
        ("exp/demo-mcorr.ini", SETTINGS, "^exp/demo-mcorr.ini: does not exist"),
        ("../conf/model/demo-mcorr.ini", SETTINGS, "does not exist"),
        ("", SETTINGS, r"is a folder; name a file \(settings\)"),
        (
            "fbank-81-10ms.json",
            SETTINGS,
            r"is a shipped file of another kind \(feature configuration\); expected settings",
        ),
        ("demo-mcorr", FEATURES, r"of another kind \(settings\); expected feature configuration"),
        ("fbank-80-10ms.json", FEATURES, "among the shipped files; did you mean 'fbank-81-10ms'"),
    ],
)
def test_a_name_of_neither_a_file_nor_a_shipped_file_is_refused(name, folders, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=why):
        file_or_shipped(name, folders)
