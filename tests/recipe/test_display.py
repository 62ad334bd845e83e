import time

import pytest

from cnn_mellin.recipe.display import RecipeDisplay, running_line
from cnn_mellin.recipe.step_records import StepRecords


@pytest.fixture
def records(tmp_path) -> StepRecords:
    """One step done, two running, one of which has said something, and one that has just ended."""
    records = StepRecords(tmp_path)
    records.write("prep", "done", {})
    for name in ("train-1", "train-2", "train-3"):
        records.write(name, "job", {})
        records.write(name, "start", {"began": 0})
    records.write("train-3", "exit", {"status": 0})
    (tmp_path / "logs").mkdir()
    records.log("train-2").write_text("epoch 1/8\nepoch 2/8, loss 3\n\n")
    return records


def test_steps_that_run_take_turns(records):
    head = "1 steps done, 2 running; "
    shown = [running_line(records, turn) for turn in range(3)]
    assert shown == [f"{head}train-1: begins", f"{head}train-2: epoch 2/8, loss 3", f"{head}train-1: begins"]
    for name in ("train-1", "train-2"):
        records.write(name, "exit", {"status": 0})
    assert running_line(records) == "1 steps done, 0 running"


def test_jobs_that_wait_for_a_cluster_are_not_counted_as_running(records):
    records.delete("train-1", "start")
    assert running_line(records) == "1 steps done, 1 running, 1 waiting; train-2: epoch 2/8, loss 3"


def test_on_a_terminal_the_line_stays_below_what_is_said(records, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    with RecipeDisplay(records.folder) as display:
        display.say("prep: done")
        time.sleep(1.2)
    shown = capsys.readouterr().out
    assert shown.startswith("\r\x1b[2Kprep: done\n")
    assert "\r\x1b[2K1 steps done, 2 running; trai\r" in shown
    assert shown.endswith("\r\x1b[2K")


def test_elsewhere_there_are_lines_alone_and_none_where_it_is_quiet(records, capsys):
    for quiet in (False, True):
        with RecipeDisplay(records.folder, quiet=quiet) as display:
            display.say("prep: done")
    assert capsys.readouterr().out == "prep: done\n"


def test_the_line_moves_though_the_recipe_changes_into_its_folder(records, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.chdir(records.folder.parent)
    with RecipeDisplay(records.folder.name):
        monkeypatch.chdir(records.folder)
        time.sleep(0.8)
    assert "1 steps done, 2 running; train-1: begins" in capsys.readouterr().out
