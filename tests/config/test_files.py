import pytest

from cnn_mellin.config import Settings, format_settings, read_settings
from cnn_mellin.config.settings import SECTIONS, setting_help
from cnn_mellin.errors import SettingsError


def changed() -> Settings:
    return Settings().updated(
        {
            "model": {"window_size": 7, "recurrent_type": "RNN", "use_lift": False, "seed": 3},
            "training": {"log10_learning_rate": -2.25, "num_epochs": 4, "reduce_lr_log10_epsilon": -6},
            "data": {"subset_ids": ["a", 'b "c"'], "sos": "sil"},
        }
    )


@pytest.mark.parametrize("file_format", ["ini", "json", "yaml"])
@pytest.mark.parametrize("settings", [Settings(), changed()], ids=["default", "changed"])
def test_formatted_settings_read_back_equal(tmp_path, file_format, settings):
    path = tmp_path / "settings"
    path.write_text(format_settings(settings, file_format))
    assert read_settings(path, file_format) == settings


@pytest.mark.parametrize(
    ("suffix", "file_format"), [("json", "json"), ("yml", "yaml"), ("yaml", "yaml"), ("txt", "ini")]
)
def test_format_follows_the_extension(tmp_path, suffix, file_format):
    path = tmp_path / f"settings.{suffix}"
    path.write_text(format_settings(changed(), file_format))
    assert read_settings(path) == changed()


def test_ini_has_the_help_of_every_setting_above_its_section():
    before, text = "", format_settings(Settings())
    for section in SECTIONS:
        head, text = text.split(f"[{section}]")
        for name in SECTIONS[section].__pydantic_fields__:  # type: ignore[attr-defined]
            words = setting_help(section, name).split()
            assert f"# {name}: {words[0]}" in head
            assert " ".join(words) in " ".join(head.replace("#", "").split())
        before = head
    assert before


def test_empty_values_are_unset_and_later_files_take_precedence(tmp_path):
    first, second = tmp_path / "a.ini", tmp_path / "b.ini"
    first.write_text("[model]\nseed = 5\nwindow_size = 4\n[training]\nnum_epochs = 9\n")
    second.write_text("[model]\nseed\n[training]\nnum_epochs =\nlog10_learning_rate =\n")
    settings = read_settings(second, base=read_settings(first))
    assert settings.model.seed is None
    assert settings.model.window_size == 4
    assert settings.training.num_epochs is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nwindow_size = 0\n", r"s.ini: \[model\] window_size = 0: must be a whole number >= 1$"),
        ("[model]\nwindow_size = 2.5\n", r"\[model\] window_size = 2.5: must be a whole number >= 1$"),
        ("[model]\nwindow_size =\n", r"window_size: is empty, but must be a whole number >= 1; leave the line out"),
        ("[model]\nwindow_sise = 3\n", r"\[model\] window_sise: unknown setting; did you mean 'window_size'"),
        ("[modle]\nwindow_size = 3\n", r"unknown section \[modle\]; did you mean 'model'"),
        ("[DEFAULT]\nwindow_size = 3\n", r"unknown section \[DEFAULT\]"),
        ("[model]\nrecurrent_type = TRANSFORMER\n", r"TRANSFORMER: must be LSTM or GRU or RNN$"),
        ("[model]\nuse_lift = maybe\n", r"use_lift = maybe: must be True or False$"),
        ("[training]\nreduce_lr_factor = 1\n", r"reduce_lr_factor = 1: must be a number > 0 and < 1$"),
        ("[training]\nnoise_eps = nan\n", r"noise_eps = nan: must be a number >= 0 and <= 1$"),
        ("[training]\nsaved_model_fmt = model.pt\n", r"must be a file name \(no folder\) that holds {epoch}"),
        ("[training]\nsaved_model_fmt = ../{epoch}.pt\n", r"must be a file name \(no folder\)"),
        ("[training]\nsaved_model_fmt = {epok}\n", r"must be a format of only {epoch}"),
        ("[data]\nsubset_ids = a, b\n", r"subset_ids = a, b: must be a JSON list of strings"),
        ("window_size = 3\n", r"not an INI file of \[section\] and name = value lines"),
        ("[model]\nseed = 1\nseed = 2\n", r"not an INI file .* option 'seed' in section 'model' already exists"),
    ],
)
def test_a_fault_in_an_ini_file_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "s.ini"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.json", b"{", "not JSON"),
        ("s.json", b"[1]", "holds list, but must hold sections"),
        ("s.json", b'{"model": 3}', r"section \[model\] must hold settings, not 3"),
        ("s.yaml", b"a: [", "not YAML"),
        ("s.yaml", b"a: &a [1]\nmodel: *a", r"s.yaml:2: alias \*a: aliases are not allowed"),
        ("s.yaml", b"model:\n  seed: 1\n  seed: 2", "s.yaml:3: duplicate name 'seed'"),
        ("s.json", b'{"model": {"seed": 1, "seed": 2}}', r"is not JSON \(duplicate name 'seed'\)"),
        ("s.yaml", b"model: " + b"[" * 9999, "is nested too deeply"),
        ("s.json", b'{"model": ' + b"[" * 99999 + b"]" * 99999 + b"}", "is nested too deeply"),
        ("s.json", b'{"data": {"sos": "\\ud800"}}', r"has '\\ud800', half of a surrogate pair"),
        ("s.json", b'{"model": {"seed": [' + b"1," * 999 + b"1]}}", r"seed = \[(1, )+\.\.\.: must be a whole number"),
        ("s.yaml", b"model: {1: 2}", r"\[model\] 1: unknown setting"),
        ("s.yaml", b"1: {1: 2}", r"unknown section \[1\]"),
        ("s.yaml", b"model: 2026-99-99", "is not YAML"),
        ("s.yaml", b"!!python/object:os.system {}", "is not YAML"),
        ("s.yaml", b"0", "holds int, but must hold sections"),
        ("s.ini", b"[data]\nsubset_ids = " + b"[" * 99999, "subset_ids = .*: must be a JSON list of strings"),
        (
            "s.ini",
            b"[model]\nseed\n  5\n",
            "not an INI file .*: a line is indented below a name without a value|must be a whole",
        ),
        ("s.ini", b"\xff\xfe", "is not UTF-8 text"),
    ],
)
def test_a_fault_in_any_format_is_one_clear_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_settings(path)


@pytest.mark.parametrize("file_format", ["ini", "json", "yaml"])
def test_a_byte_order_mark_and_windows_line_ends_are_ignored(tmp_path, file_format):
    path = tmp_path / "settings"
    path.write_bytes(b"\xef\xbb\xbf" + format_settings(changed(), file_format).replace("\n", "\r\n").encode())
    assert read_settings(path, file_format) == changed()


def test_an_empty_file_sets_nothing(tmp_path):
    for name in ("s.ini", "s.yaml"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf")
        assert read_settings(tmp_path / name) == Settings()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        SettingsError, match="nothing.ini: does not exist, on disk or among the shipped files; choose from accurate-"
    ):
        read_settings(tmp_path / "nothing.ini")
