"""Runs of single steps, with the real commands."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cnn_mellin.errors import DataError
from cnn_mellin.recipe import step_run
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.step_run import failure_line, is_running, last_lines, run_step

STEP = Step("a", "prep", ("--print-ini",), products=("a.ini",), stdout="a.ini")


@pytest.fixture
def records(tmp_path) -> StepRecords:
    (tmp_path / "steps").mkdir()
    (tmp_path / "logs").mkdir()
    return StepRecords(tmp_path)


def run(records: StepRecords, *steps: Step, once: bool = False) -> int:
    """Exit status of the first step of a plan."""
    records.write_plan(steps)
    return run_step(records.folder, steps[0].name, once=once)


def script(records: StepRecords, monkeypatch, text: str) -> None:
    """Let a shell script stand for the command cnn-mellin."""
    path = records.folder / "command"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setattr(step_run, "attached_command", lambda _module, words: [str(path), *words])


def ended(records: StepRecords, name: str = "a") -> str:
    return (records.read(name, "exit") or {})["how"]


@pytest.mark.parametrize(
    ("log", "own", "line"),
    [
        ("cnn-mellin: old\n$ cnn-mellin a\ncnn-mellin: new\n", True, "cnn-mellin: new"),
        ("$ cnn-mellin a\ncnn-mellin: why\nresource_tracker: leaked\n  warnings.warn(\n", True, "cnn-mellin: why"),
        ("$ cnn-mellin a\ncnn-mellin train: error: no such option\n", True, "cnn-mellin train: error: no such option"),
        ("$ cnn-mellin a\ncnn-mellin: a warning\nTraceback\n  x\nKeyError: 3\n", True, "KeyError: 3"),
        ("$ cnn-mellin a\ncnn-mellin: a warning\nslurmstepd: OOM\n", False, "slurmstepd: OOM"),
        ("cnn-mellin: old\n$ cnn-mellin a\n", True, "its log is empty"),
        ("", True, "its log is empty"),
    ],
)
def test_the_reason_is_what_the_last_attempt_said(records, log, own, line):
    records.log("a").write_text(log)
    assert failure_line(records.log("a"), own=own) == line


def test_only_the_end_of_a_long_log_is_read_and_no_control_character_shown(records):
    records.log("a").write_bytes(b"x" * 300_000 + b"\n\x1b[31mred\x1b[0m\x07 \xff\n10%\r20%\r\n\n")
    assert last_lines(records.log("a"), 2) == "red  \ufffd\n20%"


def test_the_reason_is_part_of_the_warning(records, caplog):
    step = Step("a", "train", ("--read-ini", "nowhere.ini", "--print-ini"), stdout="a.run1", products=("a.run1",))
    assert run(records, step) == 2
    assert caplog.messages[0].startswith("a: ended with status 2: cnn-mellin: nowhere.ini: ")
    assert records.read("a", "failed") == {"why": "ended with status 2", "command": step.command}
    assert ended(records) == "FAILED"


def test_a_killed_process_is_named_by_its_signal(records, monkeypatch, caplog):
    script(records, monkeypatch, "kill -9 $$")
    assert run(records, Step("a", "train", ())) == 137
    assert caplog.messages == ["a: it was killed or cancelled (Killed): its log is empty"]


@pytest.mark.slow
def test_the_time_is_the_work_of_all_attempts(records, monkeypatch):
    script(records, monkeypatch, "sleep 0.3; echo x >> tries; test $(wc -l < tries) = 3 || exit 75; touch a.txt")
    assert run(records, Step("a", "train", (), products=("a.txt",))) == 0
    assert 0.9 < (records.seconds("a") or 0.0) < 10
    assert [kind for kind in ("job", "start", "begun") if records.path("a", kind).exists()] == []
    assert records.log("a").read_text().count("$ cnn-mellin") == 3


def test_a_job_of_a_cluster_ends_when_the_command_asks_for_it(records, monkeypatch):
    script(records, monkeypatch, "exit 75")
    records.write("a", "job", {"machine": "slurm", "id": "101"})
    assert run(records, Step("a", "train", ()), once=True) == 75
    assert ended(records) == "interrupted"
    assert records.read("a", "failed") is None
    assert records.read("a", "job") == {"machine": "slurm", "id": "101"}


@pytest.mark.slow
def test_the_time_of_interrupted_attempts_counts(records, monkeypatch):
    script(records, monkeypatch, "sleep 0.3; echo x >> tries; test $(wc -l < tries) = 3 || exit 75; touch a.txt")
    step = Step("a", "train", (), products=("a.txt",))
    assert [run(records, step, once=True) for _ in range(3)] == [75, 75, 0]
    assert 0.9 < (records.seconds("a") or 0.0) < 10


def test_a_step_that_is_done_already_is_not_run_again(records):
    assert run(records, STEP) == 0
    made = (records.folder / "a.ini").stat().st_mtime_ns
    records.delete("a", "done")
    assert run(records, STEP) == 0
    assert (records.folder / "a.ini").stat().st_mtime_ns == made
    assert ended(records) == "unchanged"
    assert records.read("a", "done") == {"products": (records.read("a", "made") or {})["products"]}


def test_the_stamp_of_an_unchanged_step_becomes_newer_than_those_before_it(records):
    assert run(records, STEP) == 0
    before = records.path("a", "done").stat().st_mtime_ns
    content = records.path("a", "done").read_bytes()
    time.sleep(0.02)
    assert run(records, STEP) == 0
    assert records.path("a", "done").stat().st_mtime_ns > before
    assert records.path("a", "done").read_bytes() == content


def test_a_changed_product_or_input_runs_the_step_again(records, monkeypatch):
    script(records, monkeypatch, "echo x >> runs; echo made > a.txt")
    step = Step("a", "prep", ("a.txt",), products=("a.txt",))
    assert run(records, step) == 0
    (records.folder / "a.txt").write_text("changed by hand")
    assert run(records, step) == 0
    assert run(records, replace(step, arguments=("--quick", "a.txt"))) == 0
    assert (records.folder / "runs").read_text() == "x\n" * 3


def test_a_missing_product_is_a_failed_step(records, monkeypatch, caplog):
    script(records, monkeypatch, "exit 0")
    assert run(records, Step("a", "prep", ("prep", "a.txt"), products=("a.txt",))) == 1
    assert caplog.messages == ["a: did not make a.txt: its log is empty"]
    assert records.read("a", "failed") == {"why": "did not make a.txt", "command": "cnn-mellin prep a.txt"}
    assert not records.path("a", "done").exists()


def test_a_failed_step_is_tried_again_by_the_next_run(records, monkeypatch):
    script(records, monkeypatch, "test -e ready && touch a.txt")
    step = Step("a", "prep", (), products=("a.txt",))
    assert run(records, step) == 1
    (records.folder / "ready").touch()
    assert run(records, step) == 0
    assert not records.path("a", "failed").exists()


@pytest.mark.slow
def test_a_step_that_asks_for_it_again_and_again_is_given_up(records, monkeypatch):
    script(records, monkeypatch, "exit 75")
    assert run(records, Step("a", "prep", ())) == 75
    assert (records.read("a", "failed") or {})["why"] == "ended with status 75"
    assert records.log("a").read_text().count("$ cnn-mellin") == 50


def test_an_interrupted_command_is_not_a_failed_step(records, monkeypatch):
    script(records, monkeypatch, "exit 130")
    assert run(records, STEP) == 130
    assert ended(records) == "interrupted"
    assert records.read("a", "failed") is None


def test_only_the_folders_of_files_that_a_command_is_given_are_created(records, monkeypatch, caplog):
    script(records, monkeypatch, "exit 0")
    step = Step("a", "prep", ("best", "new/a.ini", "speed/raw"), products=("new/a.ini", "speed/raw/ext/a.trn"))
    assert run(records, step) == 1
    assert "did not make new/a.ini, speed/raw/ext/a.trn" in caplog.text
    assert (records.folder / "new").is_dir()
    assert not (records.folder / "speed").exists()


def test_a_damaged_record_and_an_unknown_step_are_named(records):
    records.write_plan([STEP])
    records.path("a", "made").write_text("{")
    with pytest.raises(DataError, match=r"a.made: is not JSON .*; delete it and run"):
        run_step(records.folder, "a")
    assert (records.read("a", "failed") or {})["why"] == "cannot be run"
    with pytest.raises(DataError, match="its recipe has no step 'aa'; did you mean 'a'"):
        run_step(records.folder, "aa")


@pytest.mark.parametrize("known", [True, False])
def test_only_a_folder_that_the_recipe_created_is_deleted(records, monkeypatch, known):
    script(records, monkeypatch, "exit 0" if known else "exit 1")
    model = records.folder / "models" / "lcorr"
    if not known:
        model.mkdir(parents=True)
        (model / "model.json").write_text("precious")
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    assert run(records, step) == (0 if known else 1)
    model.mkdir(parents=True, exist_ok=True)
    (model / "model.json").write_text("precious")
    assert run(records, replace(step, state="of other data")) == (0 if known else 1)
    assert (model / "model.json").exists() == (not known)
    notes = (records.read("train", "exit") or {})["notes"]
    assert notes == (["train: restarts, as its inputs have changed"] if known else [])


def test_results_of_an_interrupted_run_are_kept_for_the_same_inputs_only(records, monkeypatch):
    script(records, monkeypatch, "mkdir -p models/lcorr; exit 1")
    step = Step("train", "train", ("train",), resumes=("models/lcorr",))
    assert run(records, step) == 1
    (records.folder / "models" / "lcorr" / "half").touch()
    assert run(records, step) == 1
    assert (records.folder / "models" / "lcorr" / "half").exists()
    assert run(records, replace(step, state="of other data")) == 1
    assert not (records.folder / "models" / "lcorr" / "half").exists()


def test_output_for_programs_is_not_in_the_log(records):
    assert run(records, replace(STEP, stdout="out/a.ini", products=("out/a.ini",))) == 0
    assert records.log("a").read_text() == "$ cnn-mellin --print-ini\n"
    assert "window_size" in (records.folder / "out" / "a.ini").read_text()


def test_output_for_people_is_in_the_log_and_in_the_file(records):
    assert run(records, Step("a", "prep", ("--print-yaml",), products=("a.run1",), stdout="a.run1")) == 0
    printed = (records.folder / "a.run1").read_text()
    assert "window_size" in printed
    assert records.log("a").read_text() == f"$ cnn-mellin --print-yaml\n{printed}"


def test_the_reason_of_a_failure_is_logged_in_utf_8_whatever_the_console(records, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    step = Step("a", "prep", ("--read-ini", "ɑː−.ini", "--print-ini"), products=("a.json",), stdout="a.json")
    assert run(records, step) == 2
    log = records.log("a").read_text(encoding="utf-8")
    assert log.splitlines()[-1].startswith("cnn-mellin: ɑː−.ini: ")
    assert not (records.folder / "a.json").exists()


@pytest.mark.parametrize(("name", "why"), [("a.params", "does not exist"), ("b.params", "is not UTF-8 text")])
def test_a_file_of_words_that_is_missing_or_not_text_is_one_line(records, caplog, name, why):
    (records.folder / "b.params").write_bytes(b"\xff")
    assert run(records, Step("a", "prep", ("data", "info", f"@{name}"))) == 2
    assert f"a: could not be started: {records.folder / name}" in caplog.text
    assert why in caplog.text
    assert ended(records) == "FAILED"


def test_words_of_a_file_stand_for_it(records, monkeypatch):
    script(records, monkeypatch, 'echo "$@"')
    (records.folder / "w.params").write_text("one\ntwo\n")
    assert run(records, Step("a", "prep", ("x", "@w.params", "y"), products=("o",), stdout="o")) == 0
    assert (records.folder / "o").read_text() == "x one two y\n"


@pytest.mark.parametrize(("product", "status"), [("a.run1", 0), ("a.run1", 1), ("a.json", 1)])
def test_lines_are_logged_immediately_or_at_the_latest_after_a_failure(records, monkeypatch, product, status):
    log = records.log("a")
    text = f"echo trial 0; sleep 0.3; grep -c trial {log} > seen; echo several trials failed; exit {status}"
    script(records, monkeypatch, text)
    assert run(records, Step("a", "prep", (), products=(product,), stdout=product)) == status
    assert log.read_text() == "$ cnn-mellin \ntrial 0\nseveral trials failed\n"
    assert (records.folder / "seen").read_text() == ("1\n" if product == "a.run1" else "0\n")
    assert (records.folder / product).exists() == (status == 0)


def step_process(records: StepRecords) -> subprocess.Popen[bytes]:
    """A shell that runs a step, as Snakemake's does but without `exec`."""
    command = f"{sys.executable} -m cnn_mellin step run a --exp {records.folder}; true"
    return subprocess.Popen(["bash", "-c", command], start_new_session=True)


def wait_for(condition, patience_s: float = 30.0) -> None:
    until = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def waiting(records) -> StepRecords:
    """A plan of one step that takes a minute."""
    records.write_plan([Step("a", "corpus", ("corpus", "demo", "corpus", "--utterances", "4000"))])
    return records


def command_of(records: StepRecords) -> list[int]:
    """Processes that run the command of the waiting step."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            if b"cnn_mellin.attached" in words and os.readlink(path.parent / "cwd") == str(records.folder):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to look for processes in")
def test_no_process_is_left_when_the_one_that_started_the_step_is_killed(waiting):
    shell = step_process(waiting)
    wait_for(lambda: command_of(waiting))
    assert is_running(waiting, "a")
    shell.kill()
    shell.wait()
    wait_for(lambda: not command_of(waiting), 5.0)
    assert not is_running(waiting, "a")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to look for processes in")
def test_signals_reach_the_command(waiting):
    command = [sys.executable, "-m", "cnn_mellin", "step", "run", "a", "--exp", str(waiting.folder)]
    with subprocess.Popen(command) as process:
        wait_for(lambda: command_of(waiting))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM
    assert (waiting.read("a", "failed") or {})["why"] == "it was killed or cancelled (Terminated)"
    assert command_of(waiting) == []


def test_a_signal_that_comes_while_the_command_starts_reaches_it(records, monkeypatch):
    class Started(subprocess.Popen):
        """A process that is not returned before a signal has come."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            os.kill(os.getpid(), signal.SIGTERM)

    def unexpected(_number, _frame):
        pytest.fail("the signal would have ended the process that runs the step")

    before = signal.signal(signal.SIGTERM, unexpected)
    script(records, monkeypatch, "sleep 20")
    monkeypatch.setattr(subprocess, "Popen", Started)
    try:
        assert run(records, Step("a", "prep", (), products=("a.txt",))) == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is unexpected
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (records.read("a", "failed") or {})["why"] == "it was killed or cancelled (Terminated)"


@pytest.mark.slow
def test_a_second_process_waits_for_the_first_and_finds_the_step_done(records, monkeypatch):
    script(records, monkeypatch, "echo x >> runs; sleep 1; touch a.txt")
    records.write_plan([Step("a", "prep", (), products=("a.txt",))])
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(run_step(records.folder, "a"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: is_running(records, "a"))
    for thread in threads:
        thread.join()
    assert statuses == [0, 0]
    assert (records.folder / "runs").read_text() == "x\n"


def test_several_processes_share_a_training(records, monkeypatch):
    script(records, monkeypatch, "exit 1")
    arguments = (json.dumps({"rank": 1}),)
    step = Step("a", "train", arguments, num_processes=2)
    command = step_run._Run(records, step, "")._command_line()
    assert command[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    assert command[6:] == ["cnn_mellin.attached", "cnn_mellin", *arguments]


@pytest.mark.slow
def test_torchrun_starts_the_processes_and_its_failure_is_that_of_the_step(records):
    both = Step("a", "train", ("--print-ini",), stdout="a.ini", products=("a.ini",), num_processes=2)
    assert run(records, both) == 0
    assert (records.folder / "a.ini").read_text().count("window_size = ") == 2
    assert run(records, Step("a", "train", ("train", "nowhere", "nowhere", "m"), num_processes=2)) == 1
    assert "cnn-mellin: nowhere: " in records.log("a").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to look for processes in")
def test_no_process_of_torchrun_is_left_when_the_step_is_killed(waiting):
    words = ("corpus", "demo", "corpus", "--utterances", "4000")
    waiting.write_plan([Step("a", "corpus", words, num_processes=2)])
    shell = step_process(waiting)
    wait_for(lambda: len(command_of(waiting)) >= 3, 60.0)
    shell.kill()
    shell.wait()
    wait_for(lambda: not command_of(waiting), 30.0)
