"""The completion scripts, as bash runs them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.cli.main import main

pytest.importorskip("shtab", reason="shtab (the extra completion) is not installed")


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    path: Path = tmp_path_factory.mktemp("completion") / "cnn-mellin"
    command = [sys.executable, "-m", "cnn_mellin", "--print-completion", "bash"]
    path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout, encoding="utf-8")
    return path


@pytest.fixture
def proposals(script, tmp_path):
    """`proposals("cnn-mellin tr")`: what bash proposes for the last word, in a folder with a.wav and models/."""
    (tmp_path / "a.wav").write_text("")
    (tmp_path / "models").mkdir()

    def propose(line: str) -> set[str]:
        words = shlex.split(line) + ([""] if line.endswith(" ") else [])
        function = re.search(r"^complete .*-F (\S+) cnn-mellin$", script.read_text(), re.MULTILINE)
        assert function is not None
        program = (
            f"source {shlex.quote(str(script))}; COMP_WORDS=({' '.join(map(shlex.quote, words))}); "
            f"COMP_CWORD={len(words) - 1}; {function[1]} cnn-mellin {shlex.quote(words[-1])} {shlex.quote(words[-2])}; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        command = ["bash", "--norc", "-c", program]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return set(done.stdout.split())

    return propose


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cnn-mellin tr", {"train", "transcribe"}),
        ("cnn-mellin prep ti", {"timit"}),
        ("cnn-mellin transcribe --beam", {"--beam-width"}),
        ("cnn-mellin recipe --models m", {"mcorr"}),
        ("cnn-mellin transcribe mo", {"models"}),
        ("cnn-mellin transcribe models a", {"a.wav"}),
        ("cnn-mellin --print-completion z", {"zsh"}),
    ],
)
def test_bash_completes(line, expected, proposals):
    assert {word.rstrip("/") for word in proposals(line)} == expected


def test_a_number_is_not_completed_by_file_names(proposals):
    assert "a.wav" not in proposals("cnn-mellin decode --beam-width ")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_scripts_of_other_shells_name_all_commands(shell, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--print-completion", shell])
    printed = capsys.readouterr().out
    for command in ("transcribe", "recipe", "optim", "--beam-width"):
        assert command.removeprefix("--") in printed


def test_an_unknown_shell_is_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--print-completion", "cmd"])
    assert capsys.readouterr().err == (
        "cnn-mellin: --print-completion cmd: must be bash, zsh or fish (cnn-mellin --help)\n"
    )
