"""The log of a step holds what it prints immediately, and keeps the reason of a failure."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_mellin.cli import step as step_process
from cnn_mellin.recipe.step_records import StepRecords


def ended(folder: Path, name: str, *arguments: str, stdout: str = "", **environment: str) -> tuple[str, int]:
    """Log and exit status of a step's process."""
    records = StepRecords(folder)
    records.write(name, "job", {"arguments": list(arguments), "stdout": stdout, "fingerprint": "f"})
    command = [sys.executable, "-m", "cnn_mellin.cli.step", str(folder), name]
    with open(folder / f"{name}.log", "wb") as log:
        status = subprocess.run(command, stdout=log, stderr=log, env={**os.environ, **environment}, check=False)
    told = records.read(name, "exit")
    assert told is not None
    assert told["status"] == status.returncode
    assert told["seconds"] > 0
    assert told["fingerprint"] == "f"
    assert (records.read(name, "start") or {})["began"] > 0
    return (folder / f"{name}.log").read_text(encoding="utf-8"), status.returncode


def test_output_for_programs_is_not_in_the_log(tmp_path):
    log, status = ended(tmp_path, "a", "--print-ini", stdout="out/a.ini")
    assert status == 0
    assert log == "$ cnn-mellin --print-ini\n"
    assert "window_size" in (tmp_path / "out" / "a.ini").read_text()


def test_output_for_people_is_in_the_log_and_in_the_file(tmp_path):
    log, status = ended(tmp_path, "a", "--print-yaml", stdout="a.run1")
    assert status == 0
    printed = (tmp_path / "a.run1").read_text()
    assert "window_size" in printed
    assert log == f"$ cnn-mellin --print-yaml\n{printed}"


def test_the_reason_of_a_failure_is_logged_in_utf_8_whatever_the_console(tmp_path):
    log, status = ended(
        tmp_path, "a", "--read-ini", "ɑː−.ini", "--print-ini", stdout="a.json", PYTHONIOENCODING="cp1252"
    )
    assert status == 2
    assert log.splitlines()[-1].startswith("cnn-mellin: ɑː−.ini: ")
    assert not (tmp_path / "a.json").exists()


def test_a_file_of_words_that_is_missing_or_not_text_is_one_line(tmp_path):
    (tmp_path / "b.params").write_bytes(b"\xff")
    for name, why in (("a.params", "a.params: does not exist"), ("b.params", "is not UTF-8 text")):
        log, status = ended(tmp_path, "a", "data", "info", f"@{name}")
        assert status == 1
        assert "Traceback" not in log
        assert log.startswith("cnn-mellin: ")
        assert why in log


def test_a_job_without_a_command_is_one_line(tmp_path):
    StepRecords(tmp_path).write("a", "job", {})
    command = [sys.executable, "-m", "cnn_mellin.cli.step", str(tmp_path), "a"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"cnn-mellin: {tmp_path}/steps/a.job: names no command; run the recipe's command again\n"


@pytest.mark.parametrize(("product", "status"), [("a.run1", 0), ("a.run1", 1), ("a.json", 1)])
def test_lines_are_logged_immediately_or_at_the_latest_after_a_failure(tmp_path, monkeypatch, product, status):
    path = tmp_path / "log"
    seen = []

    def command(_arguments) -> int:
        print("trial 0")
        seen.append("trial 0" in path.read_text())
        print("several trials failed")
        return status

    monkeypatch.setattr("cnn_mellin.cli.step.run_command", command)
    with open(path, "wb") as raw, io.TextIOWrapper(raw, write_through=False) as log:
        monkeypatch.setattr(sys, "stdout", log)
        step_process._flush_each_line()
        assert step_process._run(["optim"], tmp_path / product) == status
    assert path.read_text() == "trial 0\nseveral trials failed\n"
    assert seen == [product == "a.run1"]
    assert (tmp_path / product).exists() == (status == 0)
