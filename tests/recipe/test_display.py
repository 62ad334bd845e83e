"""Live display of a recipe: a line about the running steps, below the log."""

import logging
import time
from collections.abc import Iterator

import pytest

from cnn_mellin.recipe.display import RecipeDisplay, running_line
from cnn_mellin.recipe.step import Step
from cnn_mellin.recipe.step_records import StepRecords
from cnn_mellin.recipe.time_left import TimeLeft

LOGGER = logging.getLogger("cnn_mellin")


@pytest.fixture
def records(tmp_path) -> StepRecords:
    """One step done, two running, of which one has logged something, and one that has just ended."""
    records = StepRecords(tmp_path)
    records.write("prep", "done", {})
    for name in ("train-1", "train-2", "train-3"):
        records.write(name, "job", {})
        records.write(name, "start", {"began": 0})
    records.write("train-3", "exit", {"status": 0})
    (tmp_path / "logs").mkdir()
    records.log("train-2").write_text("epoch 1/8\nepoch 2/8, loss 3\n\n")
    return records


class Printing(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage())


@pytest.fixture
def printing(monkeypatch) -> Iterator[logging.Handler]:
    """A handler that prints what the package logs on standard output."""
    handler = Printing()
    monkeypatch.setattr(LOGGER, "handlers", [handler])
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield handler
    LOGGER.setLevel(before)


def test_running_steps_are_shown_in_turn(records):
    head = "1 steps done, 2 running; "
    shown = [running_line(records, turn) for turn in range(3)]
    assert shown == [f"{head}train-1: begins", f"{head}train-2: epoch 2/8, loss 3", f"{head}train-1: begins"]
    for name in ("train-1", "train-2"):
        records.write(name, "exit", {"status": 0})
    assert running_line(records) == "1 steps done, 0 running"


def test_the_number_of_steps_and_the_time_left_are_shown_where_they_are_known(records):
    line = "epoch 3/8, loss 0.68, dev PER 14.40 %, learning rate 3.16e-03, 105 utterances/s, 46 s left\n"
    records.log("train-2").write_text(line)
    shown = running_line(records, 1, num_steps=31, left=TimeLeft(250, True))
    assert shown == "1 of 31 steps done, 2 running, about 4 min left; train-2: epoch 3/8, dev PER 14.40 %"


def test_the_plan_gives_the_number_of_steps_up_to_the_last_stage(records, capsys, monkeypatch):
    records.write_plan([Step("prep", "prep", ()), Step("train-1", "train", ()), Step("report", "report", ())])
    records.write("prep", "made", {"from": "", "products": {}, "seconds": 8.0})
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with RecipeDisplay(records.folder, until="train"):
        time.sleep(0.8)
    assert "\x1b[2K1 of 2 steps done, 2 running; train-1: begins" in capsys.readouterr().out


def test_jobs_that_wait_for_a_cluster_do_not_count_as_running(records):
    records.delete("train-1", "start")
    assert running_line(records) == "1 steps done, 1 running, 1 waiting; train-2: epoch 2/8, loss 3"


def test_on_a_terminal_the_line_stays_below_the_log(records, printing, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    with RecipeDisplay(records.folder):
        LOGGER.info("prep: done")
        LOGGER.debug("nothing to see")
        time.sleep(1.2)
    assert LOGGER.handlers == [printing]
    shown = capsys.readouterr().out
    assert shown.startswith("\r\x1b[2Kprep: done\n")
    assert "\r\x1b[2K1 steps done, 2 running; trai\r" in shown
    assert shown.endswith("\r\x1b[2K")


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (False, True), (True, True)])
def test_elsewhere_the_log_has_no_line_below_it(records, printing, capsys, monkeypatch, terminal, quiet):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    with RecipeDisplay(records.folder, quiet=quiet):
        LOGGER.info("prep: done")
        time.sleep(0.6)
    assert capsys.readouterr().out == "prep: done\n"


def test_the_line_stays_right_when_the_recipe_changes_into_its_folder(records, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.chdir(records.folder.parent)
    with RecipeDisplay(records.folder.name):
        monkeypatch.chdir(records.folder)
        time.sleep(0.8)
    assert "1 steps done, 2 running; train-1: begins" in capsys.readouterr().out
