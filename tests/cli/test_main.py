import io
import resource
import subprocess
import sys

import pytest

from cnn_mellin import __version__
from cnn_mellin.cli.main import main
from cnn_mellin.config import Settings, read_settings


def command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cnn_mellin.cli.main", *arguments], capture_output=True, text=True, check=False
    )


COMMANDS = ["demo", "corpus", "corpus demo", "prep", "prep timit", "data", "data export", "train", "decode", "score"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_prints_usage_and_exits_with_0(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        main([*command.split(), "--help"])
    printed = capsys.readouterr().out
    assert f"usage: cnn-mellin {command}".strip() in printed
    assert "--help" in printed


def test_help_and_settings_do_not_import_torch():
    program = (
        "import sys; from cnn_mellin.cli.main import main, parser; parser(); main(['--print-ini']); "
        "slow = {'torch', 'scipy', 'matplotlib', 'soundfile'} & set(sys.modules); assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(capsys, option):
    with pytest.raises(SystemExit, match="0"):
        main([option])
    assert capsys.readouterr().out.strip() == f"cnn-mellin {__version__}"


def test_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "cnn_mellin", "-V"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"cnn-mellin {__version__}\n", "")


def test_help_takes_less_than_200_ms():
    def seconds(*arguments: str) -> float:
        """Processor time of a run, which does not depend on what else the machine does."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    python = min(seconds("-c", "pass") for _ in range(3))
    assert min(seconds("-m", "cnn_mellin", "--help") for _ in range(5)) - python < 0.2


@pytest.mark.parametrize("file_format", ["ini", "json", "yaml"])
def test_later_settings_override_earlier_ones_and_are_printed(tmp_path, capsys, file_format):
    (tmp_path / "a.ini").write_text("[model]\nwindow_size = 9\nwindow_stride = 2\n")
    (tmp_path / "b.json").write_text('{"model": {"window_size": 8}}')
    files = ["--read-ini", str(tmp_path / "a.ini"), "--read-json", str(tmp_path / "b.json")]
    assert main([*files, f"--print-{file_format}"]) == 0
    (tmp_path / "printed").write_text(capsys.readouterr().out)
    expected = Settings().updated({"model": {"window_size": 8, "window_stride": 2}})
    assert read_settings(tmp_path / "printed", file_format) == expected


def test_wrong_settings_are_one_line_and_status_2(tmp_path):
    path = tmp_path / "a.ini"
    path.write_text("[model]\nwindow_sise = 9\n")
    done = command_line("--read-ini", str(path), "--print-ini")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (f"cnn-mellin: {path}: [model] window_sise: unknown setting; did you mean 'window_size'?\n")


@pytest.mark.parametrize(("encoding", "shown"), [("cp1252", "\\u025b"), ("ascii", "\\u025b"), ("utf-8", "\u025b")])
def test_characters_that_the_console_cannot_encode_are_escaped(tmp_path, monkeypatch, encoding, shown):
    for name, symbols in (("ref.trn", "\u025b b"), ("hyp.trn", "b \u65e5")):
        (tmp_path / name).write_text(f"{symbols} (u1)\n", encoding="utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict") for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    assert main(["score", "--no-fold", "--per-phone", str(tmp_path / "ref.trn"), str(tmp_path / "hyp.trn")]) == 0
    assert main(["score", str(tmp_path / "\udcff.trn"), str(tmp_path / "hyp.trn")]) == 2
    for stream in (out, err):
        stream.flush()
    printed, said = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))
    assert f"\n  {shown} " in printed
    assert f"cnn-mellin: {tmp_path}/\\udcff.trn: does not exist" in said


def test_missing_and_unknown_commands_are_errors():
    done = command_line()
    assert done.returncode == 2
    assert "name a command" in done.stderr
    done = command_line("trian")
    assert done.returncode == 2
    assert "trian: is not a command of cnn-mellin; did you mean train?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prep", "timit", "{tmp}/none", "{tmp}/data"], "{tmp}/none: does not exist; name the folder"),
        (["prep", "timit", "{tmp}", "{tmp}/data"], "{tmp}: holds no folder TRAIN or TEST"),
        (["train", "{tmp}/none", "{tmp}/model"], "{tmp}/none: is not a data directory (there is no such folder)"),
        (["decode", "{tmp}/none", "{tmp}", "{tmp}/hyp.trn"], "{tmp}/none: is not a model folder"),
        (
            ["data", "export", "{tmp}/none", "{tmp}/out"],
            "{tmp}/none: is not a data directory (there is no such folder)",
        ),
        (["corpus", "demo", "{tmp}/corpus", "--utterances", "3"], "3"),
        (["--device", "abacus", "decode", "{tmp}", "{tmp}", "{tmp}/h"], "--device abacus: cannot be used here"),
        (["--num-threads", "0", "decode", "{tmp}", "{tmp}", "{tmp}/h"], "--num-threads 0: must be at least 1"),
    ],
)
def test_wrong_input_is_one_line_and_status_2_and_writes_nothing(tmp_path, capsys, arguments, message):
    assert main([argument.format(tmp=tmp_path) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("cnn-mellin: ")
    assert message.format(tmp=tmp_path) in printed.err
    assert list(tmp_path.iterdir()) == []


def test_verbose_names_versions_files_and_the_place_of_an_error(tmp_path, capsys):
    (tmp_path / "s.ini").write_text("[training]\nseed = 3\n")
    settings = ["--read-ini", str(tmp_path / "s.ini"), "--print-ini"]
    assert main(["--verbose", *settings]) == 0
    told = capsys.readouterr()
    assert main(settings) == 0
    assert capsys.readouterr().out == told.out  # a file of these settings has nothing else in it
    versions, read = told.err.splitlines()
    assert f" cnn-mellin {__version__}, Python 3." in versions
    assert read.endswith(f"{tmp_path / 's.ini'}: settings read, as ini")
    assert main(["data", "info", str(tmp_path / "none"), "--verbose"]) == 2
    *traced, line = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" in traced
    assert line.startswith(f"cnn-mellin: {tmp_path / 'none'}")
    assert main(["data", "info", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_verbose_and_quiet_exclude_each_other(capsys):
    assert main(["--quiet", "conf", "--verbose"]) == 2
    assert capsys.readouterr().err == "cnn-mellin: --verbose: not allowed together with --quiet; give one\n"
